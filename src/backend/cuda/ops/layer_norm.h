// Parameters of the kernels of ops layer_norm and layer_norm_backward.
#pragma once

#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

struct layer_norm_params {
  const float* x = {};
  const float* gamma = {};
  const float* beta = {};
  float* y = {};
  float* mean = {};
  float* inverse = {};
  std::int64_t rows = {};
  std::int32_t columns = {};
  float epsilon = {};
};
Grid grid_of(const layer_norm_params& params);
const Kernel& kernel_of(const layer_norm_params& params);

struct layer_norm_backward_params {
  const float* x = {};
  const float* gamma = {};
  const float* mean = {};
  const float* inverse = {};
  const float* dy = {};
  float* dx = {};
  std::int64_t rows = {};
  std::int32_t columns = {};
};
Grid grid_of(const layer_norm_backward_params& params);
const Kernel& kernel_of(const layer_norm_backward_params& params);

}  // namespace stoker::backend::cuda
