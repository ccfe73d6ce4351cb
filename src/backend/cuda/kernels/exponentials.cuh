// The maximum of a row, then the sum of its exponentials. The second pass finds the row in the
// cache.
#pragma once

#include "backend/cuda/kernels/elements.cuh"

namespace stoker::backend::cuda {

struct Exponentials {
  float largest;  // the largest x of the row
  float sum;      // the sum of exp(x - largest)
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
