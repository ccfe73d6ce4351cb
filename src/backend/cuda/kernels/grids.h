// How each kernel is launched: blocks and threads from its parameters, and what memory it needs.
// Pointers are not looked at. Nothing depends on the device: the same sums in the same order on
// every GPU.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/kernels/params.h"
#include "backend/cuda/launch_plan.h"

namespace stoker::backend::cuda {

#define STOKER_CUDA_KERNEL(name) Grid grid_of(const name##_params& params);
#include "backend/cuda/kernels/kernels.def"
#undef STOKER_CUDA_KERNEL

// Counters (of 4 bytes) that softmax_cross_entropy with class numbers, one_hot and embedding need;
// ingest needs one.
inline constexpr int kLabelCounters = 2;

// How the uses of a table are sorted by id for its gradient, in launches of embedding_count and
// embedding_place by turns. Memory, in this order: numbers_bytes each for keys and uses, twice, for
// a pass reads the one pair and writes the other; then counts.
struct EmbeddingSort {
  EmbeddingSort(std::int64_t uses, std::int32_t entries);

  int passes = 1;
  std::int32_t chunk = 0;  // uses a block has
  std::size_t numbers_bytes = 0;
  std::size_t counts_bytes = 0;

  std::size_t bytes() const { return 4 * numbers_bytes + counts_bytes; }
};

// Of batch_norm_statistics and batch_norm_backward_sums: parts of the rows, bytes of partial sums,
// and counters.
int batch_norm_parts(std::int64_t rows, std::int32_t channels);
std::size_t batch_norm_partials_bytes(std::int64_t rows, std::int32_t channels);
int batch_norm_counters(std::int32_t channels);

}  // namespace stoker::backend::cuda
