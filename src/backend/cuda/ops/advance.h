// Parameters of op advance.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

// The kernel of ops::advance, which runs on one thread. `largest_gradient` may be null.
struct advance_params {
  const float* loss = {};
  const float* largest_gradient = {};
  plan::Scalars* scalars = {};
  std::int32_t node = {};          // for Scalars::error_node
  // The steps until the loss scale grows; 0 if the loss is not scaled, or plan::kCountsNothing.
  std::int32_t growth_steps = {};
};

Grid grid_of(const advance_params& params);
const Kernel& kernel_of(const advance_params& params);

}  // namespace stoker::backend::cuda
