// Where the pixels of a warped image come from, the same on every device.
#pragma once

#include <stoker/detail/host_device.h>

#include <cstdint>

namespace stoker {

// What lies outside of an image: one value; the border's pixels; the image again; or its mirror
// image, in which the border's pixels stand twice.
enum class WarpFill : std::int32_t { constant, nearest, wrap, reflect };

// Returns the place along an axis of a pixel that may lie outside, or -1 where there is none.
STOKER_HOST_DEVICE inline std::int32_t warp_index(std::int32_t i, std::int32_t extent,
                                                  WarpFill fill) {
  if (i >= 0 && i < extent) return i;
  if (fill == WarpFill::constant) return -1;
  if (fill == WarpFill::nearest) return i < 0 ? 0 : extent - 1;
  const std::int32_t period = fill == WarpFill::wrap ? extent : 2 * extent;
  std::int32_t within = i % period;
  if (within < 0) within += period;
  return within < extent ? within : period - 1 - within;
}

// The point of the input at which a pixel of the result looks.
struct WarpPoint {
  float x = 0.0f, y = 0.0f;
};

// A transform is a0, a1, a2, b0, b1, b2, c0, c1, as in Keras's affine_transform: the pixel (x, y)
// comes from ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k) with k = c0 x + c1 y + 1.
STOKER_HOST_DEVICE inline WarpPoint warp_point(const float* transform, std::int32_t x,
                                               std::int32_t y) {
  const auto at_x = static_cast<float>(x), at_y = static_cast<float>(y);
  const float k = transform[6] * at_x + transform[7] * at_y + 1.0f;
  return {(transform[0] * at_x + transform[1] * at_y + transform[2]) / k,
          (transform[3] * at_x + transform[4] * at_y + transform[5]) / k};
}

// Rounds down to a whole number; far outside of every image, and for NaN, to some number that is
// far outside too.
STOKER_HOST_DEVICE inline std::int32_t warp_floor(float value) {
  constexpr float kFar = 0x1.0p29f;
  if (!(value > -kFar)) return -(1 << 29);
  if (value > kFar) return 1 << 29;
  const auto whole = static_cast<std::int32_t>(value);
  return static_cast<float>(whole) > value ? whole - 1 : whole;
}

// Up to four pixels and their shares. A row or column of -1 holds the fill value.
struct WarpTaps {
  std::int32_t rows[2] = {};
  std::int32_t columns[2] = {};
  float of_rows[2] = {};     // The shares of the rows, which add up to 1.
  float of_columns[2] = {};  // The same of the columns.
};

STOKER_HOST_DEVICE inline void warp_axis(float at, std::int32_t extent, bool is_linear,
                                         WarpFill fill, std::int32_t* indices, float* shares) {
  const std::int32_t first = warp_floor(is_linear ? at : at + 0.5f);
  indices[0] = warp_index(first, extent, fill);
  indices[1] = is_linear ? warp_index(first + 1, extent, fill) : indices[0];
  const float beyond = at - static_cast<float>(first);
  shares[1] = is_linear && beyond >= 0.0f && beyond <= 1.0f ? beyond : 0.0f;
  shares[0] = 1.0f - shares[1];
}

STOKER_HOST_DEVICE inline WarpTaps warp_taps(WarpPoint point, std::int32_t height,
                                             std::int32_t width, bool is_linear, WarpFill fill) {
  WarpTaps taps;
  warp_axis(point.y, height, is_linear, fill, taps.rows, taps.of_rows);
  warp_axis(point.x, width, is_linear, fill, taps.columns, taps.of_columns);
  return taps;
}

}  // namespace stoker
