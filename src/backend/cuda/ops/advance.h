// Parameters of op advance.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

// ops::advance. `largest_gradient` may be null. One thread.
struct advance_params {
  const float* loss = {};
  const float* largest_gradient = {};
  plan::Scalars* scalars = {};
  std::int32_t node = {};          // for Scalars::error_node
  std::int32_t growth_steps = {};  // of the loss scale; 0: it is not scaled
};

Grid grid_of(const advance_params& params);
const Kernel& kernel_of(const advance_params& params);

}  // namespace stoker::backend::cuda
