// Convolutions that cuDNN refuses, as direct sums: one thread or block computes each result.
#pragma once

#include "backend/cuda/kernels/device.cuh"
#include "backend/cuda/kernels/pixels.cuh"
#include "backend/cuda/ops/conv2d.h"

namespace stoker::backend::cuda {

// Returns how many output channels, all of one group, a thread takes at once.
__device__ __forceinline__ int output_pack(const Convolution& at) {
  return pack_width(at.o / at.groups);
}
__device__ __forceinline__ std::int64_t kernel_offset(const Convolution& at, int r, int s, int c,
                                                      int o) {
  return offset_of(r, s, c, o, at.kw, at.c / at.groups, at.o);
}

// A thread computes a pack of channels of one pixel of y.
template <int N>
__device__ __forceinline__ Floats<N> convolve(const conv2d_params& p, const Pixel& to) {
  const Convolution& at = p.at;
  const int channels = at.c / at.groups;
  const int first = to.c / (at.o / at.groups) * channels;
  Floats<N> sum = all<N>(0.0f);
  for (int r = 0; r < at.kh; ++r) {
    const int y = to.y * at.stride_h - at.before_h + r * at.dilation_h;
    if (y < 0 || y >= at.h) continue;
    for (int s = 0; s < at.kw; ++s) {
      const int x = to.x * at.stride_w - at.before_w + s * at.dilation_w;
      if (x < 0 || x >= at.w) continue;
      const float* image = p.x + offset_of(to.n, y, x, first, at.h, at.w, at.c);
      const float* kernel = p.kernel + kernel_offset(at, r, s, 0, to.c);
      for (int c = 0; c < channels; ++c) {
        const Floats<N> weights = load<N>(kernel + static_cast<std::int64_t>(c) * at.o);
        STOKER_UNROLL for (int i = 0; i < N; ++i) sum.at[i] += image[c] * weights.at[i];
      }
    }
  }
  return sum;
}

template <int N>
__device__ __forceinline__ void conv2d(const conv2d_params& p) {
  const Convolution& at = p.at;
  const std::int64_t count = static_cast<std::int64_t>(at.n) * at.p * at.q * (at.o / N);
  each_index(count, [&](auto i) {
    const Pixel to = pixel_of<N>(i, at.p, at.q, at.o);
    Floats<N> y = convolve<N>(p, to);
    if (p.bias != nullptr) {
      const Floats<N> bias = load<N>(p.bias + to.c);
      STOKER_UNROLL for (int j = 0; j < N; ++j) y.at[j] += bias.at[j];
    }
    if (p.relu != 0) {
      STOKER_UNROLL for (int j = 0; j < N; ++j) y.at[j] = relu(y.at[j]);
    }
    store(p.y + static_cast<std::int64_t>(i) * N, y);
  });
}

STOKER_KERNEL(conv2d) {
  if (output_pack(p.at) == 4) {
    conv2d<4>(p);
  } else {
    conv2d<1>(p);
  }
}

// ---- Backward: data -----------------------------------------------------------------------------
// Returns the place of the result for which the kernel's element at `reach` read this pixel;
// negative if there is none.
__device__ __forceinline__ int place_of(int pixel, int before, int reach, int stride, int places) {
  const int from = pixel + before - reach;
  if (from < 0 || from % stride != 0 || from / stride >= places) return -1;
  return from / stride;
}

// The sum takes N output channels at a time.
template <int N>
__device__ __forceinline__ float gradient_of_image(const conv2d_backward_data_params& p,
                                                   const Pixel& to) {
  const Convolution& at = p.at;
  const int channels = at.c / at.groups, outputs = at.o / at.groups;
  const int group = to.c / channels;
  float sum = 0.0f;
  for (int r = 0; r < at.kh; ++r) {
    const int y = place_of(to.y, at.before_h, r * at.dilation_h, at.stride_h, at.p);
    if (y < 0) continue;
    for (int s = 0; s < at.kw; ++s) {
      const int x = place_of(to.x, at.before_w, s * at.dilation_w, at.stride_w, at.q);
      if (x < 0) continue;
      const int first = group * outputs;
      const float* dy = p.dy + offset_of(to.n, y, x, first, at.p, at.q, at.o);
      const float* kernel = p.kernel + kernel_offset(at, r, s, to.c - group * channels, first);
      for (int o = 0; o < outputs; o += N) {
        const Floats<N> slope = load<N>(dy + o);
        const Floats<N> weights = load<N>(kernel + o);
        STOKER_UNROLL for (int i = 0; i < N; ++i) sum += slope.at[i] * weights.at[i];
      }
    }
  }
  return sum;
}

template <int N>
__device__ __forceinline__ void conv2d_backward_data(const conv2d_backward_data_params& p) {
  const Convolution& at = p.at;
  const std::int64_t count = static_cast<std::int64_t>(at.n) * at.h * at.w * at.c;
  each_index(count,
             [&](auto i) { p.dx[i] = gradient_of_image<N>(p, pixel_of<1>(i, at.h, at.w, at.c)); });
}

STOKER_KERNEL(conv2d_backward_data) {
  if (output_pack(p.at) == 4) {
    conv2d_backward_data<4>(p);
  } else {
    conv2d_backward_data<1>(p);
  }
}

// ---- Backward: weights --------------------------------------------------------------------------
struct WeightSums {
  float kernel, bias;
};

// A block takes one place of the kernel (r, s, c), and kWeightLanes output channels; its warps
// share the pixels of dy.
__device__ __forceinline__ WeightSums sum_pixels(const conv2d_backward_weights_params& p, int r,
                                                 int s, int c, int o, int warp) {
  const Convolution& at = p.at;
  const int channel = o / (at.o / at.groups) * (at.c / at.groups) + c;
  const std::int64_t count = static_cast<std::int64_t>(at.n) * at.p * at.q;
  WeightSums sums{};
  for (std::int64_t i = warp; i < count; i += kBlockThreads / kWeightLanes) {
    const float dy = p.dy[i * at.o + o];
    sums.bias += dy;
    const Pixel from = pixel_of<1>(i, at.p, at.q, 1);
    const int y = from.y * at.stride_h - at.before_h + r * at.dilation_h;
    const int x = from.x * at.stride_w - at.before_w + s * at.dilation_w;
    if (y < 0 || y >= at.h || x < 0 || x >= at.w) continue;
    sums.kernel += p.x[offset_of(from.n, y, x, channel, at.h, at.w, at.c)] * dy;
  }
  return sums;
}

STOKER_KERNEL(conv2d_backward_weights) {
  constexpr int kWarps = kBlockThreads / kWeightLanes;
  __shared__ WeightSums scratch[kWarps][kWeightLanes];
  const Convolution& at = p.at;
  const int lane = static_cast<int>(threadIdx.x) % kWeightLanes;
  const int warp = static_cast<int>(threadIdx.x) / kWeightLanes;
  const int wide = static_cast<int>(divide_up(at.o, kWeightLanes));
  const std::int64_t places = static_cast<std::int64_t>(at.kh) * at.kw * (at.c / at.groups);
  for (std::int64_t i = blockIdx.x; i < places * wide; i += gridDim.x) {
    const Pixel place = pixel_of<1>(i / wide, at.kh, at.kw, at.c / at.groups);
    const int o = static_cast<int>(i % wide) * kWeightLanes + lane;
    if (o < at.o) scratch[warp][lane] = sum_pixels(p, place.y, place.x, place.c, o, warp);
    __syncthreads();
    if (warp == 0 && o < at.o) {
      WeightSums sums = scratch[0][lane];
      for (int other = 1; other < kWarps; ++other) {
        sums.kernel += scratch[other][lane].kernel;
        sums.bias += scratch[other][lane].bias;
      }
      p.dkernel[i / wide * at.o + o] = sums.kernel;
      if (p.dbias != nullptr && i < wide) p.dbias[o] = sums.bias;
    }
    __syncthreads();
  }
}

}  // namespace stoker::backend::cuda
