// Parameters of the kernels of op conv2d and its gradients for what cuDNN refuses. They are simple
// rather than fast.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

struct Convolution {
  std::int32_t n = {}, h = {}, w = {}, c = {};  // image
  std::int32_t kh = {}, kw = {}, o = {}, p = {},
               q = {};  // kernel [kh, kw, c / groups, o], result [n, p, q, o]
  std::int32_t stride_h = {}, stride_w = {}, dilation_h = {}, dilation_w = {}, before_h = {},
               before_w = {};
  std::int32_t groups = {};
};
struct conv2d_params {
  const float* x = {};
  const float* kernel = {};
  const float* bias = {};  // or null
  float* y = {};
  Convolution at = {};
  std::int32_t relu = {};
};
struct conv2d_backward_data_params {
  const float* dy = {};
  const float* kernel = {};
  float* dx = {};
  Convolution at = {};
};
struct conv2d_backward_weights_params {
  const float* x = {};
  const float* dy = {};
  float* dkernel = {};
  float* dbias = {};  // or null
  Convolution at = {};
};

Grid grid_of(const conv2d_params& params);
const Kernel& kernel_of(const conv2d_params& params);
Grid grid_of(const conv2d_backward_data_params& params);
const Kernel& kernel_of(const conv2d_backward_data_params& params);
Grid grid_of(const conv2d_backward_weights_params& params);
const Kernel& kernel_of(const conv2d_backward_weights_params& params);

}  // namespace stoker::backend::cuda
