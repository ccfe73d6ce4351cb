// Parameters of op concatenate.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

// Blocks of up to kConcatenated inputs into rows of y, in bytes: input i [outer, ends[i] -
// ends[i - 1]] comes at ends[i - 1] of a row, the first one at `begin`.
inline constexpr int kConcatenated = 8;
struct concatenate_params {
  const void* x[kConcatenated] = {};
  void* y = {};
  std::int64_t outer = {}, row = {}, begin = {};
  std::int64_t ends[kConcatenated] = {};  // those of no input: as the last one's
};

Grid grid_of(const concatenate_params& params);
const Kernel& kernel_of(const concatenate_params& params);

}  // namespace stoker::backend::cuda
