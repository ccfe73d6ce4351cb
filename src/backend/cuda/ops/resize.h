// Parameters of ops resize and resize_backward.
#pragma once

#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

// The kernels resize x [outer, from, inner] to y [outer, to, inner], and back.
struct resize_params {
  const float* x = {};
  float* y = {};
  std::int64_t outer = {}, inner = {};
  std::int32_t from = {}, to = {};
  std::int32_t is_linear = {};
};
struct resize_backward_params {
  const float* dy = {};
  float* dx = {};
  std::int64_t outer = {}, inner = {};
  std::int32_t from = {}, to = {};
  std::int32_t is_linear = {};
};

Grid grid_of(const resize_params& params);
const Kernel& kernel_of(const resize_params& params);
Grid grid_of(const resize_backward_params& params);
const Kernel& kernel_of(const resize_backward_params& params);

}  // namespace stoker::backend::cuda
