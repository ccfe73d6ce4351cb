// The kernels go over the rows of x [rows, channels], in the tiles of ChannelTiling. Block (tile,
// part) works on one part of the rows; all sums have a fixed order.
#pragma once

#include "backend/cuda/kernels/device.cuh"
#include "backend/cuda/kernels/elements.cuh"
#include "backend/cuda/ops/batch_norm.h"

namespace stoker::backend::cuda {

// The place of this thread in its tile.
template <int N>
struct ChannelThread {
  ChannelTiling tiling;
  int tile, part, lane, row, channel;

  __device__ explicit ChannelThread(int channels)
      : tiling(channels, N),
        tile(static_cast<int>(blockIdx.x) % tiling.tiles),
        part(static_cast<int>(blockIdx.x) / tiling.tiles),
        lane(static_cast<int>(threadIdx.x) % tiling.lanes),
        row(static_cast<int>(threadIdx.x) / tiling.lanes),
        channel((tile * tiling.lanes + lane) * N) {}
};

// Merges the Items of all threads of a lane; the thread in row 0 gets the result. An Item holds
// what some of the rows give for a pack of channels.
template <class Item>
__device__ __forceinline__ Item merge_rows(Item mine, Item* scratch, const ChannelTiling& tiling) {
  const auto thread = static_cast<int>(threadIdx.x);
  scratch[thread] = mine;
  __syncthreads();
  for (int half = tiling.rows / 2; half > 0; half /= 2) {
    if (thread < half * tiling.lanes) {
      mine.merge(scratch[thread + half * tiling.lanes]);
      scratch[thread] = mine;
    }
    __syncthreads();
  }
  return mine;
}

// Merges over the block and then, in the last block of the tile, over the parts. Returns true in
// the threads that then hold the result for their channels.
template <int N, class Item, class LoadPart>
__device__ __forceinline__ bool merge_all(Item& mine, Item* scratch, const ChannelThread<N>& at,
                                          int channels, int parts, float* partials,
                                          std::uint32_t* counters, LoadPart load_part) {
  const bool is_first = at.row == 0 && at.channel < channels;
  const auto partial = [&](int part, int which) {
    return partials + (static_cast<std::int64_t>(part) * 2 + which) * channels + at.channel;
  };
  mine = merge_rows(mine, scratch, at.tiling);
  if (is_first) {
    store(partial(at.part, 0), mine.first);
    store(partial(at.part, 1), mine.second);
  }
  if (!is_last_block(&counters[at.tile], static_cast<unsigned>(parts))) return false;
  mine = Item::none();
  if (at.channel < channels) {
    for (int part = at.row; part < parts; part += at.tiling.rows) {
      mine.merge(load_part(part, load<N>(partial(part, 0)), load<N>(partial(part, 1))));
    }
  }
  mine = merge_rows(mine, scratch, at.tiling);
  return is_first;
}

__device__ __forceinline__ std::int64_t first_row(std::int64_t rows, int part, int parts) {
  return rows / parts * part + min(rows % parts, static_cast<std::int64_t>(part));
}

// ---- Statistics ---------------------------------------------------------------------------------
// The algorithm is that of Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for
// computing sample variances", 1979. It takes no difference of large sums, so that the variance is
// accurate even if the mean is large beside it.
template <int N>
struct Moments {
  Floats<N> first;   // mean
  Floats<N> second;  // the sum of squared distances from the mean
  float count;

  __device__ static Moments none() { return {all<N>(0.0f), all<N>(0.0f), 0.0f}; }
  __device__ void merge(const Moments& other) {
    if (other.count == 0.0f) return;
    const float before = count;
    count += other.count;
    const float share = other.count / count;
    STOKER_UNROLL for (int i = 0; i < N; ++i) {
      const float distance = other.first.at[i] - first.at[i];
      first.at[i] += distance * share;
      second.at[i] += other.second.at[i] + distance * distance * (before * share);
    }
  }
};

template <class T, int N, int kRows>
__device__ __forceinline__ Moments<N> moments_of(const T* x, std::int64_t stride,
                                                 const Floats<N>& shift) {
  Floats<N> rows[kRows];
  STOKER_UNROLL for (int r = 0; r < kRows; ++r) rows[r] = load_as<T, N>(x, r * stride);
  Moments<N> moments = Moments<N>::none();
  moments.count = kRows;
  STOKER_UNROLL for (int i = 0; i < N; ++i) {
    STOKER_UNROLL for (int r = 0; r < kRows; ++r) {
      rows[r].at[i] -= shift.at[i];
      moments.first.at[i] += rows[r].at[i];
    }
    moments.first.at[i] /= kRows;
    STOKER_UNROLL for (int r = 0; r < kRows; ++r) {
      const float distance = rows[r].at[i] - moments.first.at[i];
      moments.second.at[i] += distance * distance;
    }
  }
  return moments;
}

template <class T, int N>
__device__ __forceinline__ void batch_norm_statistics(const batch_norm_statistics_params& p,
                                                      Moments<N>* scratch) {
  const ChannelThread<N> at(p.channels);
  // All means are computed relative to the first row, so that they keep the digits in which they
  // differ.
  Floats<N> shift = all<N>(0.0f);
  Moments<N> moments = Moments<N>::none();
  if (at.channel < p.channels) {
    constexpr int kRows = 4;  // taken at a time, with one division for all of them
    const T* x = static_cast<const T*>(p.x) + at.channel;
    const std::int64_t channels = p.channels;
    const std::int64_t end = first_row(p.rows, at.part + 1, p.parts);
    const int step = at.tiling.rows;
    std::int64_t row = first_row(p.rows, at.part, p.parts) + at.row;
    shift = load_as<T, N>(x, 0);
    for (; row + (kRows - 1) * step < end; row += kRows * step) {
      moments.merge(moments_of<T, N, kRows>(x + row * channels, step * channels, shift));
    }
    for (; row < end; row += step) {
      moments.merge(moments_of<T, N, 1>(x + row * channels, 0, shift));
    }
  }
  const auto load_part = [&](int part, const Floats<N>& mean, const Floats<N>& squares) {
    const auto rows = first_row(p.rows, part + 1, p.parts) - first_row(p.rows, part, p.parts);
    return Moments<N>{mean, squares, static_cast<float>(rows)};
  };
  if (!merge_all<N>(moments, scratch, at, p.channels, p.parts, p.partials, p.counters, load_part)) {
    return;
  }
  STOKER_UNROLL for (int i = 0; i < N; ++i) {
    moments.first.at[i] += shift.at[i];
    moments.second.at[i] /= static_cast<float>(p.rows);
  }
  store(p.mean + at.channel, moments.first);
  store(p.variance + at.channel, moments.second);
}

STOKER_KERNEL(batch_norm_statistics) {
  __shared__ Moments<8> shared[kBlockThreads];
  Moments<8>* const scratch = shared;
  with_type(p.element, [&](auto type) {
    using T = decltype(type);
    with_width<2>(p.channels, [&](auto width) {  // pack_width_of_sums
      constexpr int N = decltype(width)::value;
      batch_norm_statistics<T, N>(p, reinterpret_cast<Moments<N>*>(scratch));
    });
  });
}

// Calls f(offset of a pack) for this thread's rows and channels.
template <int N, class F>
__device__ __forceinline__ void each_row_of_channels(const ChannelThread<N>& at, std::int64_t rows,
                                                     std::int64_t channels, F f) {
  const auto step = static_cast<std::int64_t>(gridDim.x) / at.tiling.tiles * at.tiling.rows;
  std::int64_t row = static_cast<std::int64_t>(at.part) * at.tiling.rows + at.row;
  for (; row < rows; row += step) f(row * channels + at.channel);
}

template <int N>
__device__ __forceinline__ Floats<N> inverse_deviation(const float* variance, float epsilon) {
  Floats<N> pack = load<N>(variance);
  STOKER_UNROLL for (int i = 0; i < N; ++i) pack.at[i] = 1.0f / sqrtf(pack.at[i] + epsilon);
  return pack;
}

template <class T, int N>
__device__ __forceinline__ void batch_norm_apply(const batch_norm_apply_params& p) {
  const ChannelThread<N> at(p.channels);
  if (at.channel >= p.channels) return;
  const Floats<N> mean = load<N>(p.mean + at.channel);
  const Floats<N> beta = load<N>(p.beta + at.channel);
  const Floats<N> gamma = load<N>(p.gamma + at.channel);
  Floats<N> scale = inverse_deviation<N>(p.variance + at.channel, p.epsilon);
  STOKER_UNROLL for (int i = 0; i < N; ++i) scale.at[i] *= gamma.at[i];
  each_row_of_channels(at, p.rows, p.channels, [&](std::int64_t offset) {
    Floats<N> pack = load_as<T, N>(p.x, offset);
    STOKER_UNROLL for (int i = 0; i < N; ++i) {
      pack.at[i] = (pack.at[i] - mean.at[i]) * scale.at[i] + beta.at[i];
    }
    if (p.residual != nullptr) {
      const Floats<N> residual = load_as<T, N>(p.residual, offset);
      STOKER_UNROLL for (int i = 0; i < N; ++i) pack.at[i] += residual.at[i];
    }
    if (p.relu != 0) {
      STOKER_UNROLL for (int i = 0; i < N; ++i) pack.at[i] = relu(pack.at[i]);
    }
    store_as<T, N>(p.y, offset, pack);
  });
}

STOKER_KERNEL(batch_norm_apply) {
  with_type(p.element, [&](auto type) {
    using T = decltype(type);
    with_width<sizeof(T)>(p.channels,
                          [&](auto width) { batch_norm_apply<T, decltype(width)::value>(p); });
  });
}

// ---- Backward -----------------------------------------------------------------------------------
template <int N>
struct Sums {
  Floats<N> first, second;

  __device__ static Sums none() { return {all<N>(0.0f), all<N>(0.0f)}; }
  __device__ void merge(const Sums& other) {
    STOKER_UNROLL for (int i = 0; i < N; ++i) {
      first.at[i] += other.first.at[i];
      second.at[i] += other.second.at[i];
    }
  }
};

// Returns the gradient of the result, which has up to two parts and may be masked by relu's result.
// If it is not dy alone, it is also stored in p.sum for other nodes.
template <class T, int N>
__device__ __forceinline__ Floats<N> gather_gradient(const batch_norm_backward_sums_params& p,
                                                     std::int64_t offset) {
  Floats<N> dy = load_as<T, N>(p.dy, offset);
  if (p.sum == nullptr) return dy;
  if (p.dy_2 != nullptr) {
    const Floats<N> other = load_as<T, N>(p.dy_2, offset);
    STOKER_UNROLL for (int i = 0; i < N; ++i) dy.at[i] += other.at[i];
  }
  if (p.mask != nullptr) {
    const Floats<N> mask = load_as<T, N>(p.mask, offset);
    STOKER_UNROLL for (int i = 0; i < N; ++i) dy.at[i] = mask.at[i] != 0.0f ? dy.at[i] : 0.0f;
  }
  store_as<T, N>(p.sum, offset, dy);
  // The other kernels read the gradient as it is stored, so this one uses the same rounded values.
  STOKER_UNROLL for (int i = 0; i < N; ++i) dy.at[i] = rounded<T>(dy.at[i]);
  return dy;
}

// dbeta = sum dy, dgamma = sum dy (x - mean) / deviation.
template <class T, int N>
__device__ __forceinline__ void batch_norm_backward_sums(const batch_norm_backward_sums_params& p,
                                                         Sums<N>* scratch) {
  const ChannelThread<N> at(p.channels);
  Sums<N> sums = Sums<N>::none();
  if (at.channel < p.channels) {
    const Floats<N> mean = load<N>(p.mean + at.channel);
    const std::int64_t end = first_row(p.rows, at.part + 1, p.parts);
    std::int64_t row = first_row(p.rows, at.part, p.parts) + at.row;
    STOKER_UNROLL_4
    for (; row < end; row += at.tiling.rows) {
      const std::int64_t offset = row * p.channels + at.channel;
      const Floats<N> x = load_as<T, N>(p.x, offset);
      const Floats<N> dy = gather_gradient<T, N>(p, offset);
      STOKER_UNROLL for (int i = 0; i < N; ++i) {
        sums.first.at[i] += dy.at[i];
        sums.second.at[i] += dy.at[i] * (x.at[i] - mean.at[i]);
      }
    }
  }
  const auto load_part = [](int, const Floats<N>& first, const Floats<N>& second) {
    return Sums<N>{first, second};
  };
  if (!merge_all<N>(sums, scratch, at, p.channels, p.parts, p.partials, p.counters, load_part)) {
    return;
  }
  const Floats<N> inverse = inverse_deviation<N>(p.variance + at.channel, p.epsilon);
  STOKER_UNROLL for (int i = 0; i < N; ++i) sums.second.at[i] *= inverse.at[i];
  store(p.dbeta + at.channel, sums.first);
  store(p.dgamma + at.channel, sums.second);
}

STOKER_KERNEL(batch_norm_backward_sums) {
  __shared__ Sums<8> shared[kBlockThreads];
  Sums<8>* const scratch = shared;
  with_type(p.element, [&](auto type) {
    using T = decltype(type);
    with_width<2>(p.channels, [&](auto width) {  // pack_width_of_sums
      constexpr int N = decltype(width)::value;
      batch_norm_backward_sums<T, N>(p, reinterpret_cast<Sums<N>*>(scratch));
    });
  });
}

// dx = gamma / deviation (dy - dbeta / rows - normalised x dgamma / rows).
template <class T, int N>
__device__ __forceinline__ void batch_norm_backward_apply(
    const batch_norm_backward_apply_params& p) {
  const ChannelThread<N> at(p.channels);
  if (at.channel >= p.channels) return;
  const Floats<N> mean = load<N>(p.mean + at.channel);
  const Floats<N> gamma = load<N>(p.gamma + at.channel);
  const Floats<N> inverse = inverse_deviation<N>(p.variance + at.channel, p.epsilon);
  Floats<N> of_dy = load<N>(p.dbeta + at.channel);
  Floats<N> of_x = load<N>(p.dgamma + at.channel);
  const float share = 1.0f / static_cast<float>(p.rows);
  STOKER_UNROLL for (int i = 0; i < N; ++i) {
    of_dy.at[i] *= share;
    of_x.at[i] *= share * inverse.at[i];
  }
  each_row_of_channels(at, p.rows, p.channels, [&](std::int64_t offset) {
    const Floats<N> x = load_as<T, N>(p.x, offset);
    Floats<N> pack = load_as<T, N>(p.dy, offset);
    STOKER_UNROLL for (int i = 0; i < N; ++i) {
      const float centred = pack.at[i] - of_dy.at[i] - (x.at[i] - mean.at[i]) * of_x.at[i];
      pack.at[i] = gamma.at[i] * inverse.at[i] * centred;
    }
    store_as<T, N>(p.dx, offset, pack);
  });
}

STOKER_KERNEL(batch_norm_backward_apply) {
  with_type(p.element, [&](auto type) {
    using T = decltype(type);
    with_width<sizeof(T)>(
        p.channels, [&](auto width) { batch_norm_backward_apply<T, decltype(width)::value>(p); });
  });
}

}  // namespace stoker::backend::cuda
