#pragma once

#include "backend/cuda/kernels/classes.cuh"

namespace stoker::backend::cuda {

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
