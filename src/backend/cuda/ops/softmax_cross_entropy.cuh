// The gradient and the logits may be the same memory.
#pragma once

#include "backend/cuda/kernels/classes.cuh"
#include "backend/cuda/kernels/exponentials.cuh"
#include "backend/cuda/ops/softmax_cross_entropy.h"

namespace stoker::backend::cuda {

template <int N, class Team>
__device__ __forceinline__ void cross_entropy_of_class(const softmax_cross_entropy_params& p,
                                                       std::int64_t row, std::int32_t label,
                                                       const Team& team) {
  const float* x = p.logits + row * p.columns;
  float* gradient = p.gradient + row * p.columns;
  if (label < 0 || label >= p.columns) {
    each_pack<N>(team, p.columns, [&](int c) { store(gradient + c, all<N>(0.0f)); });
    if (team.rank() == 0) p.loss[row] = 0.0f;
    return;
  }
  const float x_of_label = x[label];  // read before a gradient may overwrite it
  const Exponentials e = exponentials<N>(x, p.columns, team);
  if (team.rank() == 0) p.loss[row] = logf(e.sum) - (x_of_label - e.largest);
  const float factor = 1.0f / e.sum;
  each_pack<N>(team, p.columns, [&](int c) {
    Floats<N> pack = load<N>(x + c);
    STOKER_UNROLL for (int i = 0; i < N; ++i) {
      pack.at[i] = expf(pack.at[i] - e.largest) * factor - (c + i == label ? 1.0f : 0.0f);
    }
    store(gradient + c, pack);
  });
}

// Computes loss = sum t (log sum exp(x - max) - (x - max)) and gradient = softmax(x) sum t - t.
template <int N, class Team>
__device__ __forceinline__ void cross_entropy_of_row(const softmax_cross_entropy_params& p,
                                                     std::int64_t row, const Team& team) {
  const float* x = p.logits + row * p.columns;
  const float* labels = static_cast<const float*>(p.labels) + row * p.columns;
  float* gradient = p.gradient + row * p.columns;
  const Exponentials e = exponentials<N>(x, p.columns, team);
  const float log_sum = logf(e.sum);
  float weight = 0.0f, loss = 0.0f;
  each_pack<N>(team, p.columns, [&](int c) {
    const Floats<N> pack = load<N>(x + c);
    const Floats<N> label = load<N>(labels + c);
    STOKER_UNROLL for (int i = 0; i < N; ++i) {
      const float t = label.at[i];
      weight += t;
      // A class without weight adds nothing, even if its logit is -inf.
      loss += t == 0.0f ? 0.0f : t * (log_sum - (pack.at[i] - e.largest));
    }
  });
  weight = team.reduce(weight, Sum{});
  loss = team.reduce(loss, Sum{});
  if (team.rank() == 0) p.loss[row] = loss;
  const float factor = weight / e.sum;
  each_pack<N>(team, p.columns, [&](int c) {
    Floats<N> pack = load<N>(x + c);
    const Floats<N> label = load<N>(labels + c);
    STOKER_UNROLL for (int i = 0; i < N; ++i) {
      pack.at[i] = expf(pack.at[i] - e.largest) * factor - label.at[i];
    }
    store(gradient + c, pack);
  });
}

STOKER_KERNEL(softmax_cross_entropy) {
  __shared__ TeamScratch scratch;
  const bool is_wide = pack_width(p.columns) == 4;
  if (p.kind == Labels::float_rows) {
    each_row(p.rows, p.columns, scratch, [&](const auto& team, std::int64_t row) {
      if (is_wide) {
        cross_entropy_of_row<4>(p, row, team);
      } else {
        cross_entropy_of_row<1>(p, row, team);
      }
    });
    return;
  }
  std::uint32_t bad = 0;
  each_row(p.rows, p.columns, scratch, [&](const auto& team, std::int64_t row) {
    const std::int32_t label = class_at(p.labels, p.kind, row);
    if (label < 0 || label >= p.columns) bad = max(bad, code_of_row(row));
    if (is_wide) {
      cross_entropy_of_class<4>(p, row, label, team);
    } else {
      cross_entropy_of_class<1>(p, row, label, team);
    }
  });
  record_bad_label(bad, p.counters, *p.scalars, p.node,
                   [&](std::int64_t row) { return class_at(p.labels, p.kind, row); });
}

}  // namespace stoker::backend::cuda
