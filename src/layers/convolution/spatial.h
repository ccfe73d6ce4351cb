// A convolution over one, two or three spatial axes, without bias: of sequences (batch, steps,
// features), images (batch, height, width, channels) or volumes (batch, depth, height, width,
// channels).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "layers/layer.h"
#include "layers/padding.h"

namespace stoker::layers {

// The numbers have one element for each spatial axis.
struct SpatialWindows {
  std::vector<std::int64_t> kernel, strides, dilations;
  Padding padding = Padding::valid;
  std::int64_t groups = 1;

  // The extent that a dilated kernel spans along an axis.
  std::int64_t reach(std::size_t axis) const { return (kernel[axis] - 1) * dilations[axis] + 1; }
};

// "3" for one number, "(3, 2)" for more.
std::string text_of(const std::vector<std::int64_t>& extents);
bool is_any_above_1(const std::vector<std::int64_t>& extents);

// Returns the extents of the result. Throws ShapeError where a window has no place.
std::vector<std::int64_t> convolved_extents(graph::Value x, const SpatialWindows& windows);

// `kernel` has Keras's layout: the windows' extents, channels of x in a group, channels of the
// result. Throws ShapeError where a window has no place.
graph::Value convolve(graph::Value x, graph::Value kernel, const SpatialWindows& windows);

}  // namespace stoker::layers
