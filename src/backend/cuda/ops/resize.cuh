// A thread computes an element of the result: of y from two elements, and of dx from those that
// came from it, in their order.
#pragma once

#include "backend/cuda/kernels/device.cuh"
#include "backend/cuda/ops/resize.h"
#include "core/resize_tap.h"

namespace stoker::backend::cuda {

STOKER_KERNEL(resize) {
  each_index(p.outer * p.to * p.inner, [&](auto i) {
    const auto inner = static_cast<decltype(i)>(p.inner);
    const auto to = static_cast<decltype(i)>(p.to);
    const auto row = i / inner;
    const auto column = static_cast<std::int64_t>(i - row * inner);
    const auto outer = row / to;
    const ResizeTap tap =
        resize_tap(static_cast<std::int32_t>(row - outer * to), p.from, p.to, p.is_linear != 0);
    const float* plane = p.x + static_cast<std::int64_t>(outer) * p.from * p.inner + column;
    const float first = plane[tap.first * p.inner];
    const float second = plane[tap.second * p.inner];
    p.y[i] = tap.weight == 0.0f ? first : first + (second - first) * tap.weight;
  });
}

STOKER_KERNEL(resize_backward) {
  each_index(p.outer * p.from * p.inner, [&](auto i) {
    const auto inner = static_cast<decltype(i)>(p.inner);
    const auto from = static_cast<decltype(i)>(p.from);
    const auto row = i / inner;
    const auto column = static_cast<std::int64_t>(i - row * inner);
    const auto outer = row / from;
    const auto own = static_cast<std::int32_t>(row - outer * from);
    const float* plane = p.dy + static_cast<std::int64_t>(outer) * p.to * p.inner + column;
    const ResizeRange range = resized_from(own, p.from, p.to);
    float sum = 0.0f;
    for (std::int32_t o = range.begin; o < range.end; ++o) {
      const ResizeTap tap = resize_tap(o, p.from, p.to, p.is_linear != 0);
      const float share =
          (tap.first == own ? 1.0f - tap.weight : 0.0f) + (tap.second == own ? tap.weight : 0.0f);
      if (share != 0.0f) sum += plane[o * p.inner] * share;
    }
    p.dx[i] = sum;
  });
}

}  // namespace stoker::backend::cuda
