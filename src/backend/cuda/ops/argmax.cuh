#pragma once

#include "backend/cuda/kernels/device.cuh"
#include "backend/cuda/ops/argmax.h"

namespace stoker::backend::cuda {

// Returns a key that orders by value and then by column backwards, so that the first of the largest
// values has the largest key. As in NumPy, NaN is larger than all numbers, and the two zeros are
// equal.
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

STOKER_KERNEL(argmax) {
  __shared__ TeamScratch scratch;
  each_row(p.rows, p.columns, scratch, [&](const auto& team, std::int64_t row) {
    const float* x = p.x + row * p.columns;
    const int best = pack_width(p.columns) == 4 ? argmax_row<4>(x, p.columns, team)
                                                : argmax_row<1>(x, p.columns, team);
    if (team.rank() == 0) p.y[row] = best;
  });
}

}  // namespace stoker::backend::cuda
