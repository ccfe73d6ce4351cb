#pragma once

#include "backend/cuda/kernels/classes.cuh"
#include "backend/cuda/ops/one_hot.h"

namespace stoker::backend::cuda {

template <int N, class Team>
__device__ __forceinline__ void one_hot_row(float* y, int classes, int label, const Team& team) {
  each_pack<N>(team, classes, [&](int c) {
    Floats<N> pack;
    STOKER_UNROLL for (int i = 0; i < N; ++i) pack.at[i] = c + i == label ? 1.0f : 0.0f;
    store(y + c, pack);
  });
}

STOKER_KERNEL(one_hot) {
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

}  // namespace stoker::backend::cuda
