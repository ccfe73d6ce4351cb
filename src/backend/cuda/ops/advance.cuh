#pragma once

#include "backend/cuda/kernels/device.cuh"
#include "plan/advance_scalars.h"

namespace stoker::backend::cuda {

__global__ void advance_kernel(const advance_params p) {
  const bool is_gradient_finite = p.largest_gradient == nullptr || isfinite(*p.largest_gradient);
  plan::advance_scalars(*p.scalars, isfinite(*p.loss), is_gradient_finite, p.growth_steps, p.node);
}

}  // namespace stoker::backend::cuda
