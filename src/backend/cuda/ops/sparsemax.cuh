#pragma once

#include "backend/cuda/kernels/device.cuh"
#include "backend/cuda/ops/sparsemax.h"

namespace stoker::backend::cuda {

// Returns the threshold by which the projection on the simplex shifts a row: sum max(x - threshold,
// 0) = 1. The algorithm is that of Michelot, "A finite algorithm for finding the projection of a
// point onto the canonical simplex of R^n", 1986. It computes in float64, as on the CPU, since
// small differences decide which elements stay above 0. A row that is not finite gives NaN.
template <int N, class Team>
__device__ __forceinline__ double simplex_threshold(const float* x, int columns, const Team& team) {
  double threshold = -INFINITY;
  for (int before = -1;;) {
    double sum = 0.0;
    int above = 0;
    each_pack<N>(team, columns, [&](int c) {
      const Floats<N> pack = load<N>(x + c);
      STOKER_UNROLL for (int i = 0; i < N; ++i) {
        if (pack.at[i] <= threshold) continue;  // false for a NaN, which so stays in the sum
        sum += pack.at[i];
        ++above;
      }
    });
    sum = team.reduce(sum, Sum{});
    above = team.reduce(above, Sum{});
    threshold = (sum - 1.0) / above;
    if (above == before || !isfinite(threshold)) return threshold;
    before = above;
  }
}

template <int N, class Team>
__device__ __forceinline__ void sparsemax_row(const float* x, float* y, int columns,
                                              const Team& team) {
  const double threshold = simplex_threshold<N>(x, columns, team);
  each_pack<N>(team, columns, [&](int c) {
    Floats<N> pack = load<N>(x + c);
    STOKER_UNROLL for (int i = 0; i < N; ++i) {
      const double above = pack.at[i] - threshold;
      pack.at[i] = above < 0.0 ? 0.0f : static_cast<float>(above);
    }
    store(y + c, pack);
  });
}

STOKER_KERNEL(sparsemax) {
  __shared__ TeamScratch scratch;
  each_row(p.rows, p.columns, scratch, [&](const auto& team, std::int64_t row) {
    const float* x = p.x + row * p.columns;
    float* y = p.y + row * p.columns;
    if (pack_width(p.columns) == 4) {
      sparsemax_row<4>(x, y, p.columns, team);
    } else {
      sparsemax_row<1>(x, y, p.columns, team);
    }
  });
}

}  // namespace stoker::backend::cuda
