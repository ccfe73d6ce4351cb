// Parameters of op transpose.
#pragma once

#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

// The kernel copies `count` units of `unit_bytes` (1, 2, 4 or 16). Unit i of y lies at the place of
// its index along each axis, times the axis' stride in x; both are in units. Axes beyond the rank
// have extent 1.
inline constexpr int kTransposeAxes = 8;
struct transpose_params {
  const void* x = {};
  void* y = {};
  std::int64_t count = {};
  std::int64_t extents[kTransposeAxes] = {};
  std::int64_t strides[kTransposeAxes] = {};
  std::int32_t unit_bytes = {};
};

Grid grid_of(const transpose_params& params);
const Kernel& kernel_of(const transpose_params& params);

}  // namespace stoker::backend::cuda
