// Device scalars are the numbers that change from step to step without rebuilding a program. One
// block of this layout lives on the device, in Space::scalar, and the program itself advances the
// counters. This header is free-standing because kernels include it too, also those that NVRTC
// compiles.
#pragma once

#include <cstdint>

namespace stoker::plan {

// The reason why a step was refused. The first one stays until the host clears it.
enum class StepError : std::int32_t {
  none = 0,
  // A label or an embedding's id. detail: its value; row: its flat index in the input.
  label_out_of_range = 1,
  non_finite_loss = 2,      // detail, row: unused
  non_finite_gradient = 3,  // detail, row: unused
  // The slot does not hold the batch that is due. detail: the one it holds; row: the one due.
  wrong_batch = 4,
  non_finite_update = 5,  // The step before this one has noted an overflow.
};

inline constexpr std::int64_t kNoOverflow = INT64_MAX;
inline constexpr std::int64_t kOverflowState = std::int64_t{1} << 40;

struct Scalars {
  float learning_rate = 0.0f;
  float loss_scale = 1.0f;
  // The updates that the optimizer has done since it was made (Keras's `iterations`), and the
  // training steps that the model has taken. A step that is refused advances neither.
  std::int32_t iterations = 0;
  std::uint32_t step = 0;
  std::uint64_t seed = 0;
  StepError error = StepError::none;
  std::int32_t error_node = -1;
  std::int64_t error_detail = 0;
  std::int64_t error_row = 0;
  // For dynamic loss scaling: the inverse of the scale of this step's gradients, the number of
  // finite steps since the scale last changed, whether this step updates no weights because its
  // gradients are not finite, and the number of steps that did not.
  float inverse_loss_scale = 1.0f;
  std::int32_t finite_steps = 0;
  std::int32_t skips_update = 0;
  std::int32_t skipped_updates = 0;
  // The first element whose update was not finite, as overflow_at() gives it, or kNoOverflow. It is
  // separate from `error` because an error would stop the other threads of the same update.
  std::int64_t overflow = kNoOverflow;
};

// The place of an element in the flat buffer of the parameters, or of the state behind them. The
// smallest noted place is kept, in whatever order threads note theirs.
constexpr std::int64_t overflow_at(bool is_state, std::int64_t element) {
  return (is_state ? kOverflowState : 0) + element;
}

// Gradients that overflow even at this scale overflow for another reason than the scale.
inline constexpr float kSmallestLossScale = 0x1.0p-24f;
inline constexpr float kLargestLossScale = 0x1.0p+100f;

}  // namespace stoker::plan
