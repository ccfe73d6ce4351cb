// A thread computes an element of the warped image. Backwards a thread has a channel of an image to
// itself, so that sums are in one order; gradients of images are rare, as augmentation stands
// before the layers that train.
#pragma once

#include "backend/cuda/kernels/device.cuh"
#include "backend/cuda/ops/warp.h"
#include "core/warp_tap.h"

namespace stoker::backend::cuda {

STOKER_KERNEL(warp) {
  const std::int64_t pixels = static_cast<std::int64_t>(p.to_height) * p.to_width;
  each_index(p.batch * pixels * p.channels, [&](auto i) {
    const auto element = static_cast<std::int64_t>(i);
    const std::int64_t pixel = element / p.channels;
    const std::int64_t n = pixel / pixels;
    const auto within = static_cast<std::int32_t>(pixel - n * pixels);
    const std::int32_t row = within / p.to_width;
    const WarpTaps taps =
        warp_taps(warp_point(p.transforms + n * 8, within - row * p.to_width, row), p.height,
                  p.width, p.is_linear != 0, static_cast<WarpFill>(p.fill));
    const float* image = p.x + n * p.height * p.width * p.channels + (element - pixel * p.channels);
    float sum = 0.0f;
    for (int a = 0; a < 2; ++a) {
      for (int b = 0; b < 2; ++b) {
        const float share = taps.of_rows[a] * taps.of_columns[b];
        if (share == 0.0f) continue;
        const bool is_outside = taps.rows[a] < 0 || taps.columns[b] < 0;
        const std::int64_t place =
            (static_cast<std::int64_t>(taps.rows[a]) * p.width + taps.columns[b]) * p.channels;
        sum += share * (is_outside ? p.fill_value : image[place]);
      }
    }
    p.y[element] = sum;
  });
}

STOKER_KERNEL(warp_backward) {
  each_index(p.batch * p.channels, [&](auto i) {
    const std::int64_t n = static_cast<std::int64_t>(i) / p.channels;
    const std::int64_t channel = static_cast<std::int64_t>(i) - n * p.channels;
    const std::int64_t elements = static_cast<std::int64_t>(p.height) * p.width;
    float* dx = p.dx + n * elements * p.channels + channel;
    for (std::int64_t k = 0; k < elements; ++k) dx[k * p.channels] = 0.0f;
    const float* dy =
        p.dy + n * p.to_height * static_cast<std::int64_t>(p.to_width) * p.channels + channel;
    for (std::int32_t row = 0; row < p.to_height; ++row) {
      for (std::int32_t column = 0; column < p.to_width; ++column, dy += p.channels) {
        const WarpTaps taps = warp_taps(warp_point(p.transforms + n * 8, column, row), p.height,
                                        p.width, p.is_linear != 0, static_cast<WarpFill>(p.fill));
        for (int a = 0; a < 2; ++a) {
          for (int b = 0; b < 2; ++b) {
            const float share = taps.of_rows[a] * taps.of_columns[b];
            if (share == 0.0f || taps.rows[a] < 0 || taps.columns[b] < 0) continue;
            dx[(static_cast<std::int64_t>(taps.rows[a]) * p.width + taps.columns[b]) *
               p.channels] += share * *dy;
          }
        }
      }
    }
  });
}

}  // namespace stoker::backend::cuda
