// Parameters of op one_hot.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

struct one_hot_params {
  const std::int32_t* labels = {};
  float* y = {};
  plan::Scalars* scalars = {};
  std::uint32_t* counters = {};  // two: blocks that are done, the first bad row
  std::int64_t rows = {};        // less than 2^32 - 1
  std::int32_t classes = {};
  std::int32_t node = {};
};

Grid grid_of(const one_hot_params& params);
const Kernel& kernel_of(const one_hot_params& params);

}  // namespace stoker::backend::cuda
