// Reads class numbers, and records the first one that is outside of the classes.
#pragma once

#include "backend/cuda/kernels/device.cuh"
#include "plan/scalars.h"

namespace stoker::backend::cuda {

// Rounds a label down, so that a negative one does not become class 0. NaN and values that int32
// cannot hold give -1, which is no class.
__device__ __forceinline__ std::int32_t class_number(float label) {
  constexpr float kLimit = 2147483648.0f;
  return label >= -kLimit && label < kLimit ? static_cast<std::int32_t>(floorf(label)) : -1;
}
// Returns class number i; `kind` is not float_rows.
__device__ __forceinline__ std::int32_t class_at(const void* labels, Labels kind, std::int64_t i) {
  return kind == Labels::int32_classes ? static_cast<const std::int32_t*>(labels)[i]
                                       : class_number(static_cast<const float*>(labels)[i]);
}

// Returns a number above 0 that is larger for an earlier row, so that a counter that is zero
// between launches can find the first row with a bad label by a maximum.
__device__ __forceinline__ std::uint32_t code_of_row(std::int64_t row) {
  return ~static_cast<std::uint32_t>(row);
}

// Records the first bad row, however the blocks were scheduled, unless an error is recorded
// already. All blocks call this at their end, each thread with the largest code that it found.
// label_of(row) gives the detail.
template <class LabelOf>
__device__ __forceinline__ void record_bad_label(std::uint32_t found, std::uint32_t* counters,
                                                 plan::Scalars& scalars, std::int32_t node,
                                                 LabelOf label_of) {
  if (found != 0) atomicMax(&counters[1], found);
  if (!is_last_block(&counters[0], gridDim.x) || threadIdx.x != 0) return;
  const std::uint32_t first = atomicExch(&counters[1], 0U);
  if (first == 0 || scalars.error != plan::StepError::none) return;
  const std::int64_t row = ~first;
  scalars.error = plan::StepError::label_out_of_range;
  scalars.error_node = node;
  scalars.error_detail = label_of(row);
  scalars.error_row = row;
}

}  // namespace stoker::backend::cuda
