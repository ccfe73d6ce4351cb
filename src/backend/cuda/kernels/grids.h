// How launches are cut into blocks. The device has no influence, so that every GPU adds up the same
// sums in the same order.
#pragma once

#include <cstdint>

#include "backend/cuda/kernels/kernel.h"
#include "backend/cuda/kernels/tiling.h"

namespace stoker::backend::cuda {

// No GPU runs as many blocks as this at once. Kernels loop over the work that is left.
inline constexpr std::int64_t kMostBlocks = 4096;

// Returns a grid of so many blocks, but at least one and at most kMostBlocks.
Grid blocks_of(std::int64_t blocks);
// Returns a grid with one thread for each piece of work.
Grid threads_for(std::int64_t work);
// Returns a grid with a team of threads_per_row(columns) threads for each row.
Grid teams_for(std::int64_t rows, std::int32_t columns);

// Returns how many bytes an access of a copying kernel moves; `sizes` is the bitwise or of all
// sizes and offsets.
std::int64_t access_bytes(std::int64_t sizes);

constexpr std::int64_t product(std::int64_t a, std::int64_t b, std::int64_t c, std::int64_t d) {
  return a * b * c * d;
}

inline int bytes_of(Element element) { return element == Element::float32 ? 4 : 2; }

// The number of counters (of 4 bytes) that kernels with class numbers need (classes.cuh).
inline constexpr int kLabelCounters = 2;

}  // namespace stoker::backend::cuda
