#pragma once

#include "backend/cuda/kernels/device.cuh"
#include "plan/scalars.h"

namespace stoker::backend::cuda {

__device__ __forceinline__ void refuse_step(plan::Scalars& scalars, plan::StepError error,
                                            std::int32_t node) {
  scalars.error = error;
  scalars.error_node = node;
}

// For the next step; this one's gradients are what the inverse is of.
__device__ __forceinline__ void rescale_loss(plan::Scalars& scalars, bool is_finite,
                                             std::int32_t growth_steps) {
  scalars.inverse_loss_scale = 1.0f / scalars.loss_scale;
  scalars.skips_update = is_finite ? 0 : 1;
  if (!is_finite) {
    scalars.loss_scale *= 0.5f;
    scalars.finite_steps = 0;
    ++scalars.skipped_updates;
  } else if (++scalars.finite_steps >= growth_steps) {
    if (scalars.loss_scale < plan::kLargestLossScale) scalars.loss_scale *= 2.0f;
    scalars.finite_steps = 0;
  }
}

__global__ void advance_kernel(const advance_params p) {
  plan::Scalars& scalars = *p.scalars;
  if (scalars.error != plan::StepError::none) return;
  if (!isfinite(*p.loss)) return refuse_step(scalars, plan::StepError::non_finite_loss, p.node);
  const bool is_finite = p.largest_gradient == nullptr || isfinite(*p.largest_gradient);
  if (!is_finite && (p.growth_steps == 0 || scalars.loss_scale <= plan::kSmallestLossScale)) {
    return refuse_step(scalars, plan::StepError::non_finite_gradient, p.node);
  }
  ++scalars.step;
  if (p.growth_steps > 0) rescale_loss(scalars, is_finite, p.growth_steps);
  if (is_finite) ++scalars.iterations;
}

}  // namespace stoker::backend::cuda
