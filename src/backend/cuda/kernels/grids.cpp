#include "backend/cuda/kernels/grids.h"

#include <algorithm>
#include <bit>

#include "backend/cuda/kernels/tiling.h"

namespace stoker::backend::cuda {
namespace {

// More than any GPU runs at once. Kernels loop over what is left.
constexpr std::int64_t kMostBlocks = 4096;
// Blocks that a sum over rows is spread over: a large GPU full once or twice. Each costs partial
// sums, which one block adds up.
constexpr std::int64_t kReducingBlocks = 512;

Grid blocks_of(std::int64_t blocks) {
  return {.blocks = static_cast<unsigned>(std::clamp<std::int64_t>(blocks, 1, kMostBlocks)),
          .threads = kBlockThreads,
          .shared_bytes = 0};
}
Grid threads_for(std::int64_t work) { return blocks_of(divide_up(work, kBlockThreads)); }

Grid teams_for(std::int64_t rows, std::int32_t columns) {
  return blocks_of(divide_up(rows, kBlockThreads / threads_per_row(columns)));
}

// How many bytes an access of slice.cuh moves: `sizes` are all sizes and offsets, or-ed.
std::int64_t access_bytes(std::int64_t sizes) {
  std::int64_t bytes = 16;
  while (sizes % bytes != 0) bytes = bytes == 16 ? 4 : bytes / 2;
  return bytes;
}

// How many accesses move `elements` of a slice.
template <class Params>
std::int64_t accesses(const Params& p, std::int64_t element_bytes, std::int64_t elements) {
  const std::int64_t inner = p.inner * element_bytes;
  return elements * element_bytes /
         access_bytes(p.from * inner | p.begin * inner | p.extent * inner);
}

int bytes_of(Element element) { return element == Element::float32 ? 4 : 2; }

// In whole rows of blocks: the kernel takes the tiles from the number of blocks.
Grid channel_grid(std::int64_t rows, std::int32_t channels, Element element) {
  const ChannelTiling tiling(channels, pack_width(channels, bytes_of(element)));
  const std::int64_t most = std::max<std::int64_t>(1, kMostBlocks / tiling.tiles);
  const std::int64_t parts = std::clamp<std::int64_t>(divide_up(rows, tiling.rows), 1, most);
  return {.blocks = static_cast<unsigned>(parts * tiling.tiles),
          .threads = kBlockThreads,
          .shared_bytes = 0};
}

ChannelTiling tiling_of_sums(std::int32_t channels) {
  return {channels, pack_width_of_sums(channels)};
}

Grid reducing_grid(std::int32_t parts, std::int32_t channels) {
  return {.blocks = static_cast<unsigned>(parts * tiling_of_sums(channels).tiles),
          .threads = kBlockThreads,
          .shared_bytes = 0};
}

std::int64_t product(std::int64_t a, std::int64_t b, std::int64_t c, std::int64_t d) {
  return a * b * c * d;
}

}  // namespace

Grid grid_of(const ingest_params& p) { return threads_for(divide_up(p.end - p.begin, 4 * 16)); }
Grid grid_of(const gather_rows_params& p) {
  return threads_for(p.count * p.row_bytes / access_bytes(p.row_bytes));
}
Grid grid_of(const advance_params&) { return {.blocks = 1, .threads = 1, .shared_bytes = 0}; }

Grid grid_of(const softmax_params& p) { return teams_for(p.rows, p.columns); }
Grid grid_of(const sparsemax_params& p) { return teams_for(p.rows, p.columns); }
Grid grid_of(const softmax_cross_entropy_params& p) { return teams_for(p.rows, p.columns); }
Grid grid_of(const one_hot_params& p) { return teams_for(p.rows, p.classes); }
Grid grid_of(const argmax_params& p) { return teams_for(p.rows, p.columns); }

Grid grid_of(const embedding_params& p) { return teams_for(p.count, words_of_row(p.row_bytes)); }
Grid grid_of(const embedding_count_params& p) {
  return blocks_of(divide_up(p.from.count, p.from.chunk));
}
Grid grid_of(const embedding_place_params& p) {
  return blocks_of(divide_up(p.from.count, p.from.chunk));
}
Grid grid_of(const embedding_backward_params& p) {
  const int width = pack_width(p.columns, bytes_of(p.element));
  return blocks_of(divide_up(p.count, kBlockThreads / 32) * divide_up(p.columns, 32 * width));
}

EmbeddingSort::EmbeddingSort(std::int64_t uses, std::int32_t entries) {
  constexpr std::int64_t kChunk = 8 * kBlockThreads;  // at least
  constexpr std::int64_t kMostChunks = 512;           // the last block goes through all of them
  const std::int64_t tiles =
      divide_up(std::max(divide_up(uses, kMostChunks), kChunk), kBlockThreads);
  chunk = static_cast<std::int32_t>(tiles * kBlockThreads);
  const int bits = std::bit_width(static_cast<std::uint32_t>(entries));  // `entries` is no id's key
  passes = (bits + kDigitBits - 1) / kDigitBits;
  const auto aligned = [](std::int64_t bytes) {
    return static_cast<std::size_t>(divide_up(bytes, 16) * 16);
  };
  numbers_bytes = aligned(uses * 4);
  counts_bytes = aligned(divide_up(uses, chunk) * kDigits * 4);
}

Grid grid_of(const slice_params& p) {
  return threads_for(accesses(p, p.element_bytes, p.outer * p.extent * p.inner));
}
Grid grid_of(const slice_backward_params& p) {
  return threads_for(accesses(p, p.element_bytes, p.outer * p.from * p.inner));
}
Grid grid_of(const concatenate_params& p) {
  std::int64_t sizes = p.row | p.begin;
  for (const std::int64_t end : p.ends) sizes |= end;
  return threads_for(p.outer * (p.ends[kConcatenated - 1] - p.begin) / access_bytes(sizes));
}

Grid grid_of(const pool2d_params& p) {
  const Window& w = p.at;
  return threads_for(product(w.n, w.p, w.q, w.c / pack_width(w.c, bytes_of(p.element))));
}
Grid grid_of(const pool2d_backward_params& p) {
  const Window& w = p.at;
  return threads_for(product(w.n, w.h, w.w, w.c / pack_width(w.c, bytes_of(p.element))));
}

int batch_norm_parts(std::int64_t rows, std::int32_t channels) {
  constexpr std::int64_t kRowsOfThread = 8;  // at least, before another block pays
  const ChannelTiling tiling = tiling_of_sums(channels);
  const std::int64_t most = std::max<std::int64_t>(1, kReducingBlocks / tiling.tiles);
  return static_cast<int>(
      std::clamp<std::int64_t>(divide_up(rows, kRowsOfThread * tiling.rows), 1, most));
}
std::size_t batch_norm_partials_bytes(std::int64_t rows, std::int32_t channels) {
  return static_cast<std::size_t>(batch_norm_parts(rows, channels)) * 2 *
         static_cast<std::size_t>(channels) * sizeof(float);
}
int batch_norm_counters(std::int32_t channels) { return tiling_of_sums(channels).tiles; }

Grid grid_of(const batch_norm_statistics_params& p) { return reducing_grid(p.parts, p.channels); }
Grid grid_of(const batch_norm_backward_sums_params& p) {
  return reducing_grid(p.parts, p.channels);
}
Grid grid_of(const batch_norm_apply_params& p) {
  return channel_grid(p.rows, p.channels, p.element);
}
Grid grid_of(const batch_norm_backward_apply_params& p) {
  return channel_grid(p.rows, p.channels, p.element);
}

Grid grid_of(const matmul_params& p) {
  return blocks_of(divide_up(p.m, kTile) * divide_up(p.n, kTile));
}
Grid grid_of(const conv2d_params& p) {
  const Convolution& at = p.at;
  return threads_for(product(at.n, at.p, at.q, at.o / pack_width(at.o / at.groups)));
}
Grid grid_of(const conv2d_backward_data_params& p) {
  const Convolution& at = p.at;
  return threads_for(product(at.n, at.h, at.w, at.c));
}
Grid grid_of(const conv2d_backward_weights_params& p) {
  const Convolution& at = p.at;
  return blocks_of(product(at.kh, at.kw, at.c / at.groups, divide_up(at.o, kWeightLanes)));
}

}  // namespace stoker::backend::cuda
