// Parameters of ops recurrence and recurrence_backward.
#pragma once

#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

// A block takes so many samples through all steps; each of its threads has some of the units. So
// blocks wait for nothing, and what is read of the kernel serves several samples.
inline constexpr int kRecurrentRows = 4;

// The enumerators are those of ops::RecurrentKind and ops::GateFunction.
enum class RecurrentCell : std::int32_t { simple, gru, gru_reset_before, lstm };
enum class Gate : std::int32_t { linear, relu, sigmoid, hard_sigmoid, tanh };

struct RecurrenceSizes {
  std::int64_t batch = {};
  std::int32_t steps = {};
  std::int32_t units = {};
  std::int32_t gates = {};  // the columns of x: the units of all gates
  std::int32_t kept = {};   // the columns of what is kept beside the states
  RecurrentCell cell = {};
  Gate activation = {};
  Gate recurrent_activation = {};
  std::int32_t is_backwards = {};
  std::int32_t in_order_of_input = {};
};

// Pointers are null where there is no such array. Arrays of a sequence are [batch, steps, ..].
struct recurrence_params {
  const float* x = {};
  const float* kernel = {};  // [units, gates]
  const float* state = {};
  const float* cell = {};
  const float* recurrent_bias = {};
  const float* mask = {};
  float* last = {};
  float* last_cell = {};
  float* sequence = {};
  float* cells = {};
  float* kept = {};
  float* scratch = {};  // [kRecurrenceArrays, batch, units]
  RecurrenceSizes sizes = {};
};
struct recurrence_backward_params {
  const float* kernel = {};  // transposed: [gates, units]
  const float* sequence = {};
  const float* cells = {};
  const float* kept = {};
  const float* state = {};
  const float* cell = {};
  const float* mask = {};
  const float* dlast = {};
  const float* dcell = {};
  const float* dsequence = {};
  float* dx = {};
  float* before = {};
  float* dproduct = {};
  float* reset = {};
  float* dstate = {};
  float* dstate_cell = {};
  float* scratch = {};
  RecurrenceSizes sizes = {};
};
inline constexpr int kRecurrenceArrays = 5;

Grid grid_of(const recurrence_params& params);
const Kernel& kernel_of(const recurrence_params& params);
Grid grid_of(const recurrence_backward_params& params);
const Kernel& kernel_of(const recurrence_backward_params& params);

}  // namespace stoker::backend::cuda
