#pragma once

#include "backend/cuda/kernels/device.cuh"
#include "plan/scalars.h"

namespace stoker::backend::cuda {

// Truncated, but never into the range from below; NaN and what int32 cannot hold is no class.
__device__ __forceinline__ std::int32_t class_number(float label) {
  constexpr float kLimit = 2147483648.0f;
  return label >= -kLimit && label < kLimit ? static_cast<std::int32_t>(floorf(label)) : -1;
}
// `kind` is not float_rows.
__device__ __forceinline__ std::int32_t class_at(const void* labels, Labels kind, std::int64_t i) {
  return kind == Labels::int32_classes ? static_cast<const std::int32_t*>(labels)[i]
                                       : class_number(static_cast<const float*>(labels)[i]);
}

// Rows with a bad label, as a number that is larger for an earlier row, and 0 for none. So a
// counter that is zero between launches collects them with a maximum.
__device__ __forceinline__ std::uint32_t code_of_row(std::int64_t row) {
  return ~static_cast<std::uint32_t>(row);
}

// Records the first bad row, however the blocks were scheduled, unless an error is recorded
// already. All blocks call it at their end, with the largest code that each thread found.
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

template <int N, class Team>
__device__ __forceinline__ void one_hot_row(float* y, int classes, int label, const Team& team) {
  each_pack<N>(team, classes, [&](int c) {
    Floats<N> pack;
    STOKER_UNROLL for (int i = 0; i < N; ++i) pack.at[i] = c + i == label ? 1.0f : 0.0f;
    store(y + c, pack);
  });
}

STOKER_KERNEL one_hot_kernel(const one_hot_params p) {
  __shared__ TeamScratch scratch;
  std::uint32_t bad = 0;
  each_row(p.rows, p.classes, scratch, [&](const auto& team, std::int64_t row) {
    const std::int32_t label = p.labels[row];
    if (label < 0 || label >= p.classes) bad = max(bad, code_of_row(row));
    float* y = p.y + row * p.classes;
    if (pack_width(p.classes) == 4) {
      one_hot_row<4>(y, p.classes, label, team);
    } else {
      one_hot_row<1>(y, p.classes, label, team);
    }
  });
  record_bad_label(bad, p.counters, *p.scalars, p.node,
                   [&](std::int64_t row) { return p.labels[row]; });
}

// Orders values, then columns backwards: the first largest has the largest key. As NumPy, NaN is
// larger than all numbers; the two zeros are equal.
__device__ __forceinline__ unsigned long long key_of(float value, int column) {
  const unsigned bits = __float_as_uint(value == 0.0f ? 0.0f : value);
  unsigned order = (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
  if (value != value) order = 0xffffffffU;
  return static_cast<unsigned long long>(order) << 32 | ~static_cast<unsigned>(column);
}

template <int N, class Team>
__device__ __forceinline__ int argmax_row(const float* x, int columns, const Team& team) {
  unsigned long long best = 0;
  each_pack<N>(team, columns, [&](int c) {
    const Floats<N> pack = load<N>(x + c);
    STOKER_UNROLL for (int i = 0; i < N; ++i) { best = Largest{}(best, key_of(pack.at[i], c + i)); }
  });
  best = team.reduce(best, Largest{});
  return static_cast<int>(~static_cast<unsigned>(best));
}

STOKER_KERNEL argmax_kernel(const argmax_params p) {
  __shared__ TeamScratch scratch;
  each_row(p.rows, p.columns, scratch, [&](const auto& team, std::int64_t row) {
    const float* x = p.x + row * p.columns;
    const int best = pack_width(p.columns) == 4 ? argmax_row<4>(x, p.columns, team)
                                                : argmax_row<1>(x, p.columns, team);
    if (team.rank() == 0) p.y[row] = best;
  });
}

}  // namespace stoker::backend::cuda
