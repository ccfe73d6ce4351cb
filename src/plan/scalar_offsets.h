// The places in their block of the scalars that expressions read.
#pragma once

#include <cstddef>

#include "plan/scalars.h"

namespace stoker::plan {

inline constexpr std::size_t kLearningRateOffset = offsetof(Scalars, learning_rate);
inline constexpr std::size_t kInverseLossScaleOffset = offsetof(Scalars, inverse_loss_scale);
inline constexpr std::size_t kLossScaleOffset = offsetof(Scalars, loss_scale);
inline constexpr std::size_t kIterationsOffset = offsetof(Scalars, iterations);

}  // namespace stoker::plan
