// Windows that move over a sequence (batch, steps, features) or an image (batch, height, width,
// channels): what convolutions and pooling have in common. The ops know images only; a sequence is
// an image of one row.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "layers/fields.h"
#include "layers/padding.h"

namespace stoker {

namespace layers {

// A number along the one axis of sequences, which Keras writes as a list of one. The number alone
// can be read too.
struct Length {
  std::int64_t extent = 1;
};

}  // namespace layers

template <>
struct FieldType<layers::Length> {
  static layers::Length read(const Config& config);
  static Config write(const layers::Length& value);
};

namespace layers {

// Numbers along height and width.
using Pair = std::array<std::int64_t, 2>;

// What differs between layers of sequences, whose sizes are numbers, and of images.
template <class Size>
struct Axes;

template <>
struct Axes<std::int64_t> {
  static constexpr std::size_t kFirst = 1;  // The first element of a Pair that the layer has.
  static constexpr std::size_t kRank = 3;   // of the layer's input
  static constexpr const char* kInput = "Sequences are (batch, steps, features)";
  // `along_height` is the number that the row's height has.
  static Pair pair(std::int64_t size, std::int64_t along_height = 1) {
    return {along_height, size};
  }
};
template <>
struct Axes<Size2D> {
  static constexpr std::size_t kFirst = 0;
  static constexpr std::size_t kRank = 4;
  static constexpr const char* kInput = "Images are (batch, height, width, channels)";
  static Pair pair(const Size2D& size, std::int64_t /*along_height*/ = 1) {
    return {size.height, size.width};
  }
};

// "3" for sequences, "(3, 2)" for images.
template <class Size>
std::string text_of(const Pair& pair) {
  if (Axes<Size>::kFirst == 1) return format(pair[1]);
  return format("(", pair[0], ", ", pair[1], ")");
}

// Describes the field of a size, or of an optional one.
inline void describe_size(Fields& fields, const char* name, Size2D& size) { fields(name, size); }
inline void describe_size(Fields& fields, const char* name, std::optional<Size2D>& size) {
  fields(name, size);
}
inline void describe_size(Fields& fields, const char* name, Size3D& size) { fields(name, size); }
inline void describe_size(Fields& fields, const char* name, std::optional<Size3D>& size) {
  fields(name, size);
}
inline void describe_required_size(Fields& fields, const char* name, Size3D& size) {
  fields.required(name, size);
}
void describe_size(Fields& fields, const char* name, std::int64_t& size);
void describe_size(Fields& fields, const char* name, std::optional<std::int64_t>& size);
inline void describe_required_size(Fields& fields, const char* name, Size2D& size) {
  fields.required(name, size);
}
void describe_required_size(Fields& fields, const char* name, std::int64_t& size);

// Throws ValueError, naming the layer, for numbers along an axis that are none.
template <class Size>
void require_along_axes(const LayerBase& layer, const char* what, const Pair& pair) {
  for (std::size_t d = Axes<Size>::kFirst; d < 2; ++d) require_along_axis(layer, what, pair[d]);
}

// Returns a sequence as an image of one row, and the kernel of sequences as one of height 1. Images
// and their kernels stay as they are.
graph::Value as_image(graph::Value x);
graph::Value image_kernel(graph::Value kernel);
// Returns an image as what the layer works on: for a layer of sequences its one row.
template <class Size>
graph::Value from_image(graph::Value y) {
  if (Axes<Size>::kFirst == 0) return y;
  return ops::reshape(y, {y.shape()[0], y.shape()[2], y.shape()[3]});
}

// Sets the padding before and after each axis of the layer's input x, over which windows of this
// reach move. Throws ShapeError where "valid" leaves a window no place; the message names the
// `window`, and says what could be smaller.
void set_padding(graph::Value x, Padding padding, const Pair& reach, const Pair& strides,
                 Pair& before, Pair& after, const std::string& window, const char* advice);

}  // namespace layers
}  // namespace stoker
