// Parameters of op sparsemax.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

struct sparsemax_params {
  const float* x = {};
  float* y = {};
  std::int64_t rows = {};
  std::int32_t columns = {};
};

Grid grid_of(const sparsemax_params& params);
const Kernel& kernel_of(const sparsemax_params& params);

}  // namespace stoker::backend::cuda
