// Parameters of op argmax.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

struct argmax_params {
  const float* x = {};
  std::int32_t* y = {};
  std::int64_t rows = {};
  std::int32_t columns = {};
};

Grid grid_of(const argmax_params& params);
const Kernel& kernel_of(const argmax_params& params);

}  // namespace stoker::backend::cuda
