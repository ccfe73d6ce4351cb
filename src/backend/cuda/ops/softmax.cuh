// y and x may be the same memory.
#pragma once

#include "backend/cuda/kernels/elements.cuh"
#include "backend/cuda/kernels/exponentials.cuh"
#include "backend/cuda/ops/softmax.h"

namespace stoker::backend::cuda {

template <int N, class T, class Team>
__device__ __forceinline__ void softmax_row(const T* x, T* y, int columns, bool log,
                                            const Team& team) {
  const Exponentials row = exponentials<N>(x, columns, team);
  const float log_sum = logf(row.sum);
  const float factor = 1.0f / row.sum;
  each_pack<N>(team, columns, [&](int c) {
    Floats<N> pack = load_as<T, N>(x, c);
    STOKER_UNROLL for (int i = 0; i < N; ++i) {
      const float distance = pack.at[i] - row.largest;
      pack.at[i] = log ? distance - log_sum : expf(distance) * factor;
    }
    store_as<T, N>(y, c, pack);
  });
}

STOKER_KERNEL(softmax) {
  __shared__ TeamScratch shared;
  TeamScratch& scratch = shared;
  with_type(p.element, [&](auto type) {
    using T = decltype(type);
    each_row(p.rows, p.columns, scratch, [&](const auto& team, std::int64_t row) {
      const T* x = static_cast<const T*>(p.x) + row * p.columns;
      T* y = static_cast<T*>(p.y) + row * p.columns;
      with_width<2>(p.columns, [&](auto width) {  // pack_width_of_sums
        softmax_row<decltype(width)::value>(x, y, p.columns, p.log != 0, team);
      });
    });
  });
}

}  // namespace stoker::backend::cuda
