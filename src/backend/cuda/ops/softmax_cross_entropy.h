// Parameters of op softmax_cross_entropy.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

struct softmax_cross_entropy_params {
  const float* logits = {};
  const void* labels = {};
  float* loss = {};      // [rows]
  float* gradient = {};  // [rows, columns]
  plan::Scalars* scalars = {};
  std::uint32_t* counters =
      {};                  // two: blocks that are done, the first bad row; null for float_rows
  std::int64_t rows = {};  // less than 2^32 - 1
  std::int32_t columns = {};
  Labels kind = {};
  std::int32_t node = {};  // for Scalars::error_node
};

Grid grid_of(const softmax_cross_entropy_params& params);
const Kernel& kernel_of(const softmax_cross_entropy_params& params);

}  // namespace stoker::backend::cuda
