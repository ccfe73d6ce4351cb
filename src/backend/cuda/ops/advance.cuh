#pragma once

#include "backend/cuda/kernels/device.cuh"
#include "backend/cuda/ops/advance.h"
#include "plan/advance_scalars.h"

namespace stoker::backend::cuda {

STOKER_KERNEL(advance) {
  const bool is_gradient_finite = p.largest_gradient == nullptr || isfinite(*p.largest_gradient);
  plan::advance_scalars(*p.scalars, isfinite(*p.loss), is_gradient_finite, p.growth_steps, p.node);
}

}  // namespace stoker::backend::cuda
