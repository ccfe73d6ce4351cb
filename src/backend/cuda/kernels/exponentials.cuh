// Along rows: the maximum, then the sum of exponentials. A row is in the cache after its first
// pass.
#pragma once

#include "backend/cuda/kernels/elements.cuh"

namespace stoker::backend::cuda {

struct Exponentials {
  float largest;  // of the row
  float sum;      // of exp(x - largest)
};

template <int N, class T, class Team>
__device__ __forceinline__ Exponentials exponentials(const T* x, int columns, const Team& team) {
  float largest = -INFINITY;
  each_pack<N>(team, columns, [&](int c) {
    const Floats<N> pack = load_as<T, N>(x, c);
    STOKER_UNROLL for (int i = 0; i < N; ++i) largest = fmaxf(largest, pack.at[i]);
  });
  largest = team.reduce(largest, Largest{});
  float sum = 0.0f;
  each_pack<N>(team, columns, [&](int c) {
    const Floats<N> pack = load_as<T, N>(x, c);
    STOKER_UNROLL for (int i = 0; i < N; ++i) sum += expf(pack.at[i] - largest);
  });
  return {largest, team.reduce(sum, Sum{})};
}

}  // namespace stoker::backend::cuda
