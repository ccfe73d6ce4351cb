// How launches are cut into blocks. Nothing depends on the device: the same sums in the same order
// on every GPU.
#pragma once

#include <cstdint>

#include "backend/cuda/kernels/kernel.h"
#include "backend/cuda/kernels/tiling.h"

namespace stoker::backend::cuda {

// More than any GPU runs at once. Kernels loop over what is left.
inline constexpr std::int64_t kMostBlocks = 4096;

// So many blocks, but at least one.
Grid blocks_of(std::int64_t blocks);
// One thread for each piece of work.
Grid threads_for(std::int64_t work);
// Teams of threads_per_row(columns) for rows.
Grid teams_for(std::int64_t rows, std::int32_t columns);

// How many bytes an access moves in a kernel that copies: `sizes` are all sizes and offsets, or-ed.
std::int64_t access_bytes(std::int64_t sizes);

constexpr std::int64_t product(std::int64_t a, std::int64_t b, std::int64_t c, std::int64_t d) {
  return a * b * c * d;
}

inline int bytes_of(Element element) { return element == Element::float32 ? 4 : 2; }

// Counters (of 4 bytes) that kernels with class numbers need (classes.cuh).
inline constexpr int kLabelCounters = 2;

}  // namespace stoker::backend::cuda
