// Where the elements of a resized axis come from, the same on every device. As in TensorFlow's
// tf.image.resize, which Keras uses, element i of the result stands at the point
// (i + 1/2) from / to - 1/2 of the input.
#pragma once

#include <stoker/detail/host_device.h>

#include <cstdint>

namespace stoker {

// An element of the result is (1 - weight) x[first] + weight x[second].
struct ResizeTap {
  std::int32_t first = 0;
  std::int32_t second = 0;
  float weight = 0.0f;
};

STOKER_HOST_DEVICE inline ResizeTap resize_tap(std::int32_t i, std::int32_t from, std::int32_t to,
                                               bool is_linear) {
  const float scale = static_cast<float>(from) / static_cast<float>(to);
  const float middle = (static_cast<float>(i) + 0.5f) * scale;
  const std::int32_t last = from - 1;
  if (!is_linear) {
    const auto nearest = static_cast<std::int32_t>(middle);
    const std::int32_t index = nearest < last ? nearest : last;
    return {index, index, 0.0f};
  }
  const float point = middle - 0.5f;
  // The point is at least -1/2, so adding 1 makes rounding towards zero rounding down.
  const std::int32_t below = static_cast<std::int32_t>(point + 1.0f) - 1;
  const std::int32_t first = below < 0 ? 0 : below < last ? below : last;
  const std::int32_t second = below + 1 < last ? below + 1 : last;
  return {first, second, point - static_cast<float>(below)};
}

// The elements [begin, end) of the result are all that may come from element i of the input.
struct ResizeRange {
  std::int32_t begin = 0;
  std::int32_t end = 0;
};

STOKER_HOST_DEVICE inline ResizeRange resized_from(std::int32_t i, std::int32_t from,
                                                   std::int32_t to) {
  const float scale = static_cast<float>(to) / static_cast<float>(from);
  const float begin = (static_cast<float>(i) - 1.0f) * scale - 1.0f;
  const float end = (static_cast<float>(i) + 2.0f) * scale + 2.0f;
  const auto low = static_cast<std::int32_t>(begin);
  ResizeRange range{low > 0 ? low : 0, to};
  if (end < static_cast<float>(to)) range.end = static_cast<std::int32_t>(end);
  return range;
}

}  // namespace stoker
