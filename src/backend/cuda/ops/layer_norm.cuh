// A team of threads has a row, which it reads again from the cache for each sum.
#pragma once

#include "backend/cuda/kernels/elements.cuh"
#include "backend/cuda/ops/layer_norm.h"

namespace stoker::backend::cuda {

template <int N, class Team>
__device__ __forceinline__ void layer_norm_row(const layer_norm_params& p, std::int64_t row,
                                               const Team& team) {
  const float* x = p.x + row * p.columns;
  float* y = p.y + row * p.columns;
  const float scale = 1.0f / static_cast<float>(p.columns);
  float sum = 0.0f;
  each_pack<N>(team, p.columns, [&](int c) {
    const Floats<N> pack = load<N>(x + c);
    STOKER_UNROLL for (int i = 0; i < N; ++i) sum += pack.at[i];
  });
  const float mean = team.reduce(sum, Sum()) * scale;
  float squares = 0.0f;
  each_pack<N>(team, p.columns, [&](int c) {
    const Floats<N> pack = load<N>(x + c);
    STOKER_UNROLL for (int i = 0; i < N; ++i) {
      squares += (pack.at[i] - mean) * (pack.at[i] - mean);
    }
  });
  const float inverse = 1.0f / sqrtf(team.reduce(squares, Sum()) * scale + p.epsilon);
  each_pack<N>(team, p.columns, [&](int c) {
    Floats<N> pack = load<N>(x + c);
    const Floats<N> gamma = load<N>(p.gamma + c), beta = load<N>(p.beta + c);
    STOKER_UNROLL for (int i = 0; i < N; ++i) {
      pack.at[i] = (pack.at[i] - mean) * inverse * gamma.at[i] + beta.at[i];
    }
    store(y + c, pack);
  });
  if (team.rank() == 0) {
    p.mean[row] = mean;
    p.inverse[row] = inverse;
  }
}

STOKER_KERNEL(layer_norm) {
  __shared__ TeamScratch shared;
  TeamScratch& scratch = shared;
  each_row(p.rows, p.columns, scratch, [&](const auto& team, std::int64_t row) {
    if (p.columns % 4 == 0) {
      layer_norm_row<4>(p, row, team);
    } else {
      layer_norm_row<1>(p, row, team);
    }
  });
}

// With g = dy gamma and the standardised row s: dx = (g - mean(g) - s mean(g s)) / deviation.
template <int N, class Team>
__device__ __forceinline__ void layer_norm_row_backward(const layer_norm_backward_params& p,
                                                        std::int64_t row, const Team& team) {
  const float* x = p.x + row * p.columns;
  const float* dy = p.dy + row * p.columns;
  float* dx = p.dx + row * p.columns;
  const float scale = 1.0f / static_cast<float>(p.columns);
  const float mean = p.mean[row], inverse = p.inverse[row];
  float sum = 0.0f, product = 0.0f;
  each_pack<N>(team, p.columns, [&](int c) {
    const Floats<N> above = load<N>(dy + c), gamma = load<N>(p.gamma + c), value = load<N>(x + c);
    STOKER_UNROLL for (int i = 0; i < N; ++i) {
      const float g = above.at[i] * gamma.at[i];
      sum += g;
      product += g * ((value.at[i] - mean) * inverse);
    }
  });
  sum = team.reduce(sum, Sum()) * scale;
  product = team.reduce(product, Sum()) * scale;
  each_pack<N>(team, p.columns, [&](int c) {
    const Floats<N> above = load<N>(dy + c), gamma = load<N>(p.gamma + c);
    Floats<N> pack = load<N>(x + c);
    STOKER_UNROLL for (int i = 0; i < N; ++i) {
      const float standard = (pack.at[i] - mean) * inverse;
      pack.at[i] = (above.at[i] * gamma.at[i] - sum - standard * product) * inverse;
    }
    store(dx + c, pack);
  });
}

STOKER_KERNEL(layer_norm_backward) {
  __shared__ TeamScratch shared;
  TeamScratch& scratch = shared;
  each_row(p.rows, p.columns, scratch, [&](const auto& team, std::int64_t row) {
    if (p.columns % 4 == 0) {
      layer_norm_row_backward<4>(p, row, team);
    } else {
      layer_norm_row_backward<1>(p, row, team);
    }
  });
}

}  // namespace stoker::backend::cuda
