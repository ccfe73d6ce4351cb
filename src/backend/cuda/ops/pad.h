// Parameters of op pad.
#pragma once

#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

// The kernel writes `count` units of `unit_bytes` (1, 2, 4 or 16). Along each axis the input has
// `extents` units, and lies behind `before` of the `padded` units of the result; elsewhere the
// units consist of `bits`. Axes beyond the rank have one unit, without padding.
inline constexpr int kPadAxes = 8;
struct pad_params {
  const void* x = {};
  void* y = {};
  std::int64_t count = {};
  std::int64_t extents[kPadAxes] = {};
  std::int64_t before[kPadAxes] = {};
  std::int64_t padded[kPadAxes] = {};
  std::uint32_t bits = {};
  std::int32_t unit_bytes = {};
};

Grid grid_of(const pad_params& params);
const Kernel& kernel_of(const pad_params& params);

}  // namespace stoker::backend::cuda
