// Along rows: the maximum, then the sum of exponentials, then the results. A row is in the cache
// after its first pass. y may be x.
#pragma once

#include "backend/cuda/kernels/classes.cuh"
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

// ---- softmax, log_softmax -----------------------------------------------------------------------
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

STOKER_KERNEL softmax_kernel(const softmax_params p) {
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

// ---- sparsemax ----------------------------------------------------------------------------------
// The threshold by which the projection on the simplex shifts a row: sum max(x - threshold, 0) = 1.
// Michelot, "A finite algorithm for finding the projection of a point onto the canonical simplex of
// R^n", 1986. In float64, as on the CPU: the support is settled by differences. NaN for a row that
// is not finite.
template <int N, class Team>
__device__ __forceinline__ double simplex_threshold(const float* x, int columns, const Team& team) {
  double threshold = -INFINITY;
  for (int before = -1;;) {
    double sum = 0.0;
    int above = 0;
    each_pack<N>(team, columns, [&](int c) {
      const Floats<N> pack = load<N>(x + c);
      STOKER_UNROLL for (int i = 0; i < N; ++i) {
        if (pack.at[i] <= threshold) continue;  // a NaN stays in
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

STOKER_KERNEL sparsemax_kernel(const sparsemax_params p) {
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

// ---- softmax_cross_entropy ----------------------------------------------------------------------
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
  const float x_of_label = x[label];  // before a gradient is written over it
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

// loss = sum t (log sum exp(x - max) - (x - max)), gradient = softmax(x) sum t - t.
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
      // A class without weight adds nothing, though its logit be -inf.
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

STOKER_KERNEL softmax_cross_entropy_kernel(const softmax_cross_entropy_params p) {
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
