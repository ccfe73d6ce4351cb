// Device scalars: what changes from step to step without rebuilding a program. One block of this
// layout lives on the device, in Space::scalar; the program itself advances the counters.
#pragma once

#include <cstddef>
#include <cstdint>

namespace stoker::plan {

// Why a step was refused; the first one stays until the host clears it.
enum class StepError : std::int32_t {
  none = 0,
  label_out_of_range = 1,   // detail: the label; row: its row in the batch
  non_finite_loss = 2,      // detail, row: unused
  non_finite_gradient = 3,  // detail, row: unused
  wrong_batch = 4,          // the slot does not hold the batch that the ring is at; detail: which
};

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
};

inline constexpr std::size_t kLearningRateOffset = offsetof(Scalars, learning_rate);
inline constexpr std::size_t kLossScaleOffset = offsetof(Scalars, loss_scale);
inline constexpr std::size_t kIterationsOffset = offsetof(Scalars, iterations);

}  // namespace stoker::plan
