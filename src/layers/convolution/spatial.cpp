#include "layers/convolution/spatial.h"

#include <algorithm>
#include <array>

#include "layers/volumes.h"
#include "layers/windows.h"
#include "ops/common.h"

namespace stoker::layers {

namespace {

using graph::Value;

using Sides = std::array<std::int64_t, 2>;

// What is added before and after each axis.
std::vector<Sides> padding_of(Value x, const SpatialWindows& windows) {
  std::vector<Sides> padding(windows.kernel.size(), Sides{0, 0});
  for (std::size_t axis = 0; axis < padding.size(); ++axis) {
    const std::int64_t extent = x.shape()[axis + 1], reach = windows.reach(axis);
    if (windows.padding == Padding::same) {
      padding[axis] = same_padding(extent, reach, windows.strides[axis]);
    } else if (windows.padding == Padding::causal) {
      padding[axis] = {reach - 1, 0};
    } else {
      const std::string dilated =
          is_any_above_1(windows.dilations) ? " dilated by " + text_of(windows.dilations) : "";
      ops::require(extent >= reach, *x.graph, "kernel ", text_of(windows.kernel), dilated,
                   " does not fit input ", x.shape(),
                   ". Use a smaller kernel, or padding = \"same\"");
    }
  }
  return padding;
}

std::int64_t extent_of(std::int64_t extent, const Sides& padding, std::int64_t reach,
                       std::int64_t stride) {
  return (extent + padding[0] + padding[1] - reach) / stride + 1;
}

// The attributes along the last two axes. A sequence is an image of one row.
ops::Conv2DAttributes attributes_of(const SpatialWindows& windows,
                                    const std::vector<Sides>& padding) {
  ops::Conv2DAttributes attributes;
  attributes.groups = windows.groups;
  const std::size_t axes = padding.size();
  for (std::size_t d = axes == 1 ? 1 : 0; d < 2; ++d) {
    const std::size_t axis = axes - 2 + d;
    attributes.strides[d] = windows.strides[axis];
    attributes.dilations[d] = windows.dilations[axis];
    attributes.padding_before[d] = padding[axis][0];
    attributes.padding_after[d] = padding[axis][1];
  }
  return attributes;
}

// Returns `count` depths from `first` on, a stride apart.
Value every_stride(Value volume, std::int64_t first, std::int64_t count, std::int64_t stride) {
  const Value run = ops::slice(volume, 1, first, count * stride);
  if (stride == 1) return run;
  const Shape s = run.shape();
  const Value split = ops::reshape(run, {s[0], count, stride, s[2], s[3], s[4]});
  return ops::reshape(ops::slice(split, 2, 0, 1), {s[0], count, s[2], s[3], s[4]});
}

// The sum over a kernel's depth is one of convolutions of images: those at the depths that each
// plane of the kernel meets.
Value convolve_volumes(Value x, Value kernel, const SpatialWindows& windows,
                       const std::vector<Sides>& padding) {
  const std::int64_t stride = windows.strides[0];
  const std::int64_t padded = x.shape()[1] + padding[0][0] + padding[0][1];
  const std::int64_t depth = extent_of(x.shape()[1], padding[0], windows.reach(0), stride);
  // The last plane's depths, with the stride's gap behind each of them, have to lie inside.
  const std::int64_t needed = (windows.kernel[0] - 1) * windows.dilations[0] + depth * stride;
  const std::int64_t behind = padding[0][1] + std::max<std::int64_t>(needed - padded, 0);
  const Value volume = ops::pad(x, {0, padding[0][0], 0, 0, 0}, {0, behind, 0, 0, 0});
  const ops::Conv2DAttributes attributes = attributes_of(windows, padding);
  Value sum;
  for (std::int64_t plane = 0; plane < windows.kernel[0]; ++plane) {
    const Value met = every_stride(volume, plane * windows.dilations[0], depth, stride);
    const Value part = ops::conv2d(as_images(met), plane_of(kernel, plane), attributes);
    sum = sum ? ops::add(sum, part) : part;
  }
  return as_volumes(sum, depth);
}

}  // namespace

std::string text_of(const std::vector<std::int64_t>& extents) {
  if (extents.size() == 1) return format(extents[0]);
  std::string text = "(";
  for (std::size_t i = 0; i < extents.size(); ++i) text += format(i == 0 ? "" : ", ", extents[i]);
  return text + ")";
}

bool is_any_above_1(const std::vector<std::int64_t>& extents) {
  return std::ranges::any_of(extents, [](std::int64_t extent) { return extent > 1; });
}

std::vector<std::int64_t> convolved_extents(Value x, const SpatialWindows& windows) {
  const std::vector<Sides> padding = padding_of(x, windows);
  std::vector<std::int64_t> extents;
  for (std::size_t axis = 0; axis < padding.size(); ++axis) {
    extents.push_back(
        extent_of(x.shape()[axis + 1], padding[axis], windows.reach(axis), windows.strides[axis]));
  }
  return extents;
}

Value convolve(Value x, Value kernel, const SpatialWindows& windows) {
  const std::vector<Sides> padding = padding_of(x, windows);
  if (padding.size() == 3) return convolve_volumes(x, kernel, windows, padding);
  const Value y = ops::conv2d(as_image(x), image_kernel(kernel), attributes_of(windows, padding));
  return padding.size() == 1 ? from_image<std::int64_t>(y) : y;
}

}  // namespace stoker::layers
