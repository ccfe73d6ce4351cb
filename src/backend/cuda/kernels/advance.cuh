#pragma once

#include "backend/cuda/kernels/device.cuh"
#include "plan/scalars.h"

namespace stoker::backend::cuda {

__device__ __forceinline__ void refuse_step(plan::Scalars& scalars, plan::StepError error,
                                            std::int32_t node) {
  scalars.error = error;
  scalars.error_node = node;
}

__global__ void advance_kernel(const advance_params p) {
  plan::Scalars& scalars = *p.scalars;
  if (scalars.error != plan::StepError::none) return;
  if (!isfinite(*p.loss)) {
    refuse_step(scalars, plan::StepError::non_finite_loss, p.node);
  } else if (p.largest_gradient != nullptr && !isfinite(*p.largest_gradient)) {
    refuse_step(scalars, plan::StepError::non_finite_gradient, p.node);
  } else {
    ++scalars.step;
    ++scalars.iterations;
  }
}

}  // namespace stoker::backend::cuda
