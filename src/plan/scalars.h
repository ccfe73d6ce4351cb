// Device scalars: what changes from step to step without rebuilding a program. One block of this
// layout lives on the device, in Space::scalar; the program itself advances the counters. Kernels
// read it too, also those that NVRTC compiles: this header is free-standing.
#pragma once

#include <cstdint>

namespace stoker::plan {

// Why a step was refused; the first one stays until the host clears it.
enum class StepError : std::int32_t {
  none = 0,
  label_out_of_range = 1,   // or an embedding's id. detail: which; row: its flat place in the input
  non_finite_loss = 2,      // detail, row: unused
  non_finite_gradient = 3,  // detail, row: unused
  wrong_batch = 4,          // the slot does not hold the batch that the ring is at; detail: which
  non_finite_update = 5,    // the step before this one has noted an overflow
};

inline constexpr std::int64_t kNoOverflow = INT64_MAX;
inline constexpr std::int64_t kOverflowState = std::int64_t{1} << 40;

struct Scalars {
  float learning_rate = 0.0f;
  float loss_scale = 1.0f;
  // Updates done by the optimizer since it was made (Keras's `iterations`), and training steps
  // taken by the model; a step that is refused advances neither.
  std::int32_t iterations = 0;
  std::uint32_t step = 0;
  std::uint64_t seed = 0;
  StepError error = StepError::none;
  std::int32_t error_node = -1;
  std::int64_t error_detail = 0;
  std::int64_t error_row = 0;
  // Dynamic loss scaling: the inverse of the scale of this step's gradients, the finite steps since
  // the scale last changed, whether this step updates no weights because its gradients are not
  // finite, and how many did so.
  float inverse_loss_scale = 1.0f;
  std::int32_t finite_steps = 0;
  std::int32_t skips_update = 0;
  std::int32_t skipped_updates = 0;
  // The place at which an update was not finite: overflow_at() of the first such element, or
  // kNoOverflow. It is apart from `error`, which would stop the other threads of the very update
  // that notes it.
  std::int64_t overflow = kNoOverflow;
};

// The place of an element in the flat buffer of the parameters, or of the state behind them. The
// smallest place that is noted stays, in whatever order threads note theirs.
constexpr std::int64_t overflow_at(bool is_state, std::int64_t element) {
  return (is_state ? kOverflowState : 0) + element;
}

// Gradients that overflow at this scale overflow for another reason.
inline constexpr float kSmallestLossScale = 0x1.0p-24f;
inline constexpr float kLargestLossScale = 0x1.0p+100f;

}  // namespace stoker::plan
