#include "backend/cuda/kernels/grids.h"

#include <algorithm>

namespace stoker::backend::cuda {

Grid blocks_of(std::int64_t blocks) {
  return {.blocks = static_cast<unsigned>(std::clamp<std::int64_t>(blocks, 1, kMostBlocks)),
          .threads = kBlockThreads,
          .shared_bytes = 0};
}
Grid threads_for(std::int64_t work) { return blocks_of(divide_up(work, kBlockThreads)); }
Grid teams_for(std::int64_t rows, std::int32_t columns) {
  return blocks_of(divide_up(rows, kBlockThreads / threads_per_row(columns)));
}

std::int64_t access_bytes(std::int64_t sizes) {
  std::int64_t bytes = 16;
  while (sizes % bytes != 0) bytes = bytes == 16 ? 4 : bytes / 2;
  return bytes;
}

}  // namespace stoker::backend::cuda
