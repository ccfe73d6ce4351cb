// Parameters of ops warp and warp_backward.
#pragma once

#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

// The kernels warp x [batch, height, width, channels] to y [batch, to_height, to_width, channels],
// and back. `fill` is a WarpFill.
struct warp_params {
  const float* x = {};
  const float* transforms = {};
  float* y = {};
  std::int64_t batch = {};
  std::int32_t height = {}, width = {}, to_height = {}, to_width = {}, channels = {};
  std::int32_t is_linear = {};
  std::int32_t fill = {};
  float fill_value = {};
};
struct warp_backward_params {
  const float* dy = {};
  const float* transforms = {};
  float* dx = {};
  std::int64_t batch = {};
  std::int32_t height = {}, width = {}, to_height = {}, to_width = {}, channels = {};
  std::int32_t is_linear = {};
  std::int32_t fill = {};
  float fill_value = {};
};

Grid grid_of(const warp_params& params);
const Kernel& kernel_of(const warp_params& params);
Grid grid_of(const warp_backward_params& params);
const Kernel& kernel_of(const warp_backward_params& params);

}  // namespace stoker::backend::cuda
