// Parameters of ops pool2d and pool2d_backward.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

struct Window {
  std::int32_t n = {}, h = {}, w = {}, c = {}, p = {}, q = {};  // x [n, h, w, c], y [n, p, q, c]
  std::int32_t window_h = {}, window_w = {}, stride_h = {}, stride_w = {}, before_h = {},
               before_w = {};
};
struct pool2d_params {
  const void* x = {};  // of `element`
  void* y = {};        // of `element`
  void* argmax = {};   // uint8, or int32 if `wide`; null when averaging
  Window at = {};
  Element element = {};
  std::int32_t wide = {};
};
struct pool2d_backward_params {
  const void* dy = {};      // of `element`
  const void* argmax = {};  // uint8, or int32 if `wide`; null when averaging
  void* dx = {};            // of `element`
  Window at = {};
  Element element = {};
  std::int32_t wide = {};
};

Grid grid_of(const pool2d_params& params);
const Kernel& kernel_of(const pool2d_params& params);
Grid grid_of(const pool2d_backward_params& params);
const Kernel& kernel_of(const pool2d_backward_params& params);

}  // namespace stoker::backend::cuda
