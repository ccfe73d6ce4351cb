// Parameters of op constant.
#pragma once

#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

// The kernel writes `count` of the values to y, from `begin` on. They are a part of the parameters,
// so that nothing has to be uploaded before.
inline constexpr int kConstantValues = 512;
struct constant_params {
  float* y = {};
  std::int64_t begin = {};
  std::int32_t count = {};
  float values[kConstantValues] = {};
};

Grid grid_of(const constant_params& params);
const Kernel& kernel_of(const constant_params& params);

}  // namespace stoker::backend::cuda
