#pragma once

#include "backend/cuda/kernels/elements.cuh"
#include "backend/cuda/kernels/pixels.cuh"
#include "backend/cuda/ops/pool2d.h"

namespace stoker::backend::cuda {

// Places [begin, end) along one axis.
struct Interval {
  int begin, end;
  __device__ int size() const { return end - begin; }
};
// Returns the pixels of the image that the window at `place` covers.
__device__ __forceinline__ Interval pixels_of(int place, int window, int stride, int before,
                                              int size) {
  const int first = place * stride - before;
  return {max(first, 0), min(first + window, size)};
}
// Returns the windows that cover `pixel`.
__device__ __forceinline__ Interval windows_over(int pixel, int window, int stride, int before,
                                                 int places) {
  const int last = pixel + before;
  const int first = last - window + 1;
  return {first <= 0 ? 0 : (first + stride - 1) / stride, min(last / stride + 1, places)};
}

template <class T, int N>
__device__ __forceinline__ void pool_max(const pool2d_params& p, std::int64_t to, const Pixel& at,
                                         const Interval& ys, const Interval& xs) {
  const Window& w = p.at;
  Floats<N> largest = all<N>(-INFINITY);
  // The window's first pixel of the image stays if no pixel is larger than -inf.
  const int top = at.y * w.stride_h - w.before_h, left = at.x * w.stride_w - w.before_w;
  const int first = (ys.begin - top) * w.window_w + xs.begin - left;
  int where[N];
  STOKER_UNROLL for (int i = 0; i < N; ++i) where[i] = first;
  for (int y = ys.begin; y < ys.end; ++y) {
    for (int x = xs.begin; x < xs.end; ++x) {
      const auto pack = load_as<T, N>(p.x, offset_of(at.n, y, x, at.c, w.h, w.w, w.c));
      const int place = (y - top) * w.window_w + x - left;
      STOKER_UNROLL for (int i = 0; i < N; ++i) {
        if (!(pack.at[i] > largest.at[i])) continue;
        largest.at[i] = pack.at[i];
        where[i] = place;
      }
    }
  }
  store_as<T, N>(p.y, to, largest);
  if (p.wide != 0) {
    auto* argmax = static_cast<std::int32_t*>(p.argmax) + to;
    STOKER_UNROLL for (int i = 0; i < N; ++i) argmax[i] = where[i];
  } else {
    Vector<std::uint8_t, N> argmax;
    STOKER_UNROLL for (int i = 0; i < N; ++i) argmax.at[i] = static_cast<std::uint8_t>(where[i]);
    store(static_cast<std::uint8_t*>(p.argmax) + to, argmax);
  }
}

template <class T, int N>
__device__ __forceinline__ void pool_average(const pool2d_params& p, std::int64_t to,
                                             const Pixel& at, const Interval& ys,
                                             const Interval& xs) {
  const Window& w = p.at;
  Floats<N> sum = all<N>(0.0f);
  for (int y = ys.begin; y < ys.end; ++y) {
    for (int x = xs.begin; x < xs.end; ++x) {
      const auto pack = load_as<T, N>(p.x, offset_of(at.n, y, x, at.c, w.h, w.w, w.c));
      STOKER_UNROLL for (int i = 0; i < N; ++i) sum.at[i] += pack.at[i];
    }
  }
  const auto count = static_cast<float>(ys.size() * xs.size());
  STOKER_UNROLL for (int i = 0; i < N; ++i) sum.at[i] /= count;
  store_as<T, N>(p.y, to, sum);
}

template <class T, int N>
__device__ __forceinline__ void pool(const pool2d_params& p) {
  const Window& w = p.at;
  const std::int64_t count = static_cast<std::int64_t>(w.n) * w.p * w.q * (w.c / N);
  each_index(count, [&](auto i) {
    const Pixel at = pixel_of<N>(i, w.p, w.q, w.c);
    const Interval ys = pixels_of(at.y, w.window_h, w.stride_h, w.before_h, w.h);
    const Interval xs = pixels_of(at.x, w.window_w, w.stride_w, w.before_w, w.w);
    const auto to = static_cast<std::int64_t>(i) * N;
    if (p.argmax != nullptr) {
      pool_max<T, N>(p, to, at, ys, xs);
    } else {
      pool_average<T, N>(p, to, at, ys, xs);
    }
  });
}

STOKER_KERNEL(pool2d) {
  with_type(p.element, [&](auto type) {
    using T = decltype(type);
    with_width<sizeof(T)>(p.at.c, [&](auto width) { pool<T, decltype(width)::value>(p); });
  });
}

// Sums the gradients that the windows over a pixel give it, without atomics and in a fixed order.
template <class T, int N>
__device__ __forceinline__ Floats<N> gradient_of_pixel(const pool2d_backward_params& p,
                                                       const Pixel& at) {
  const Window& w = p.at;
  const Interval ys = windows_over(at.y, w.window_h, w.stride_h, w.before_h, w.p);
  const Interval xs = windows_over(at.x, w.window_w, w.stride_w, w.before_w, w.q);
  Floats<N> sum = all<N>(0.0f);
  for (int y = ys.begin; y < ys.end; ++y) {
    const int top = y * w.stride_h - w.before_h;
    for (int x = xs.begin; x < xs.end; ++x) {
      const int left = x * w.stride_w - w.before_w;
      const std::int64_t from = offset_of(at.n, y, x, at.c, w.p, w.q, w.c);
      const auto dy = load_as<T, N>(p.dy, from);
      const int place = (at.y - top) * w.window_w + at.x - left;
      if (p.argmax != nullptr && p.wide != 0) {
        const auto* argmax = static_cast<const std::int32_t*>(p.argmax) + from;
        STOKER_UNROLL for (int i = 0; i < N; ++i) {
          sum.at[i] += argmax[i] == place ? dy.at[i] : 0.0f;
        }
      } else if (p.argmax != nullptr) {
        const auto argmax = load<N>(static_cast<const std::uint8_t*>(p.argmax) + from);
        STOKER_UNROLL for (int i = 0; i < N; ++i) {
          sum.at[i] += argmax.at[i] == place ? dy.at[i] : 0.0f;
        }
      } else {
        const int count = pixels_of(y, w.window_h, w.stride_h, w.before_h, w.h).size() *
                          pixels_of(x, w.window_w, w.stride_w, w.before_w, w.w).size();
        STOKER_UNROLL for (int i = 0; i < N; ++i) sum.at[i] += dy.at[i] / static_cast<float>(count);
      }
    }
  }
  return sum;
}

template <class T, int N>
__device__ __forceinline__ void pool_backward(const pool2d_backward_params& p) {
  const Window& w = p.at;
  const std::int64_t count = static_cast<std::int64_t>(w.n) * w.h * w.w * (w.c / N);
  each_index(count, [&](auto i) {
    store_as<T, N>(p.dx, static_cast<std::int64_t>(i) * N,
                   gradient_of_pixel<T, N>(p, pixel_of<N>(i, w.h, w.w, w.c)));
  });
}

STOKER_KERNEL(pool2d_backward) {
  with_type(p.element, [&](auto type) {
    using T = decltype(type);
    with_width<sizeof(T)>(p.at.c, [&](auto width) { pool_backward<T, decltype(width)::value>(p); });
  });
}

}  // namespace stoker::backend::cuda
