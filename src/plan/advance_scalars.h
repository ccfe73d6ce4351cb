// This header defines how op advance changes the scalars of a step, so that every device does the
// same.
#pragma once

#include <cstdint>

#include "plan/scalars.h"
#include "stoker/detail/host_device.h"

namespace stoker::plan {

// Sets the scale for the next step. The inverse belongs to this step, whose gradients were computed
// under the old scale.
STOKER_HOST_DEVICE inline void rescale_loss(Scalars& scalars, bool is_finite,
                                            std::int32_t growth_steps) {
  scalars.inverse_loss_scale = 1.0f / scalars.loss_scale;
  scalars.skips_update = is_finite ? 0 : 1;
  if (!is_finite) {
    scalars.loss_scale *= 0.5f;
    scalars.finite_steps = 0;
    ++scalars.skipped_updates;
  } else if (++scalars.finite_steps >= growth_steps) {
    if (scalars.loss_scale < kLargestLossScale) scalars.loss_scale *= 2.0f;
    scalars.finite_steps = 0;
  }
}

// `growth_steps` is ops::AdvanceAttributes::scale_growth_steps, or kCountsNothing. The function does
// nothing once an error is recorded.
inline constexpr std::int32_t kCountsNothing = -1;
STOKER_HOST_DEVICE inline void advance_scalars(Scalars& scalars, bool is_loss_finite,
                                               bool is_gradient_finite, std::int32_t growth_steps,
                                               std::int32_t node) {
  if (scalars.error != StepError::none) return;
  if (scalars.overflow != kNoOverflow) {
    scalars.error = StepError::non_finite_update;
  } else if (!is_loss_finite) {
    scalars.error = StepError::non_finite_loss;
  } else if (!is_gradient_finite &&
             (growth_steps <= 0 || scalars.loss_scale <= kSmallestLossScale)) {
    scalars.error = StepError::non_finite_gradient;
  }
  if (scalars.error != StepError::none) {
    scalars.error_node = node;
    return;
  }
  if (growth_steps == kCountsNothing) return;
  ++scalars.step;
  if (growth_steps > 0) rescale_loss(scalars, is_gradient_finite, growth_steps);
  if (is_gradient_finite) ++scalars.iterations;
}

}  // namespace stoker::plan
