// Parameters of op concatenate.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

// The kernel copies blocks of up to kConcatenated inputs into rows of y. All sizes are in bytes:
// input i, of shape [outer, ends[i] - ends[i - 1]], goes to place ends[i - 1] of each row, and the
// first one to `begin`.
inline constexpr int kConcatenated = 8;
struct concatenate_params {
  const void* x[kConcatenated] = {};
  void* y = {};
  std::int64_t outer = {}, row = {}, begin = {};
  std::int64_t ends[kConcatenated] = {};  // entries beyond the inputs repeat the last end
};

Grid grid_of(const concatenate_params& params);
const Kernel& kernel_of(const concatenate_params& params);

}  // namespace stoker::backend::cuda
