// Parameters of op softmax, and log_softmax.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

struct softmax_params {  // softmax and log_softmax
  const void* x = {};    // of `element`
  void* y = {};          // of `element`
  std::int64_t rows = {};
  std::int32_t columns = {};
  std::int32_t log = {};
  Element element = {};
};

Grid grid_of(const softmax_params& params);
const Kernel& kernel_of(const softmax_params& params);

}  // namespace stoker::backend::cuda
