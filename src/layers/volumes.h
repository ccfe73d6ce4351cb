// Layers of volumes (batch, depth, height, width, channels) are made of ops on images: a volume is
// a row of images, one for each depth.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "layers/fields.h"
#include "layers/padding.h"
#include "layers/windows.h"

namespace stoker::layers {

// Numbers along depth, height and width.
using Triple = std::array<std::int64_t, 3>;

inline Triple triple(const Size3D& size) { return {size.depth, size.height, size.width}; }
std::string text_of(const Triple& triple);

void require_along_axes(const LayerBase& layer, const char* what, const Triple& triple);

// The padding before and after each axis of the volumes x, over which windows of this reach move.
// Throws ShapeError as set_padding() does.
struct VolumePadding {
  Triple before{}, after{};
};
VolumePadding padding_of(graph::Value x, Padding padding, const Triple& reach,
                         const Triple& strides, const std::string& window, const char* advice);

// Volumes (n, d, ..) as images (n d, ..), and images as volumes of this depth.
graph::Value as_images(graph::Value volumes);
graph::Value as_volumes(graph::Value images, std::int64_t depth);

// The plane of a kernel of volumes at a depth, which is a kernel of images.
graph::Value plane_of(graph::Value kernel, std::int64_t depth);

}  // namespace stoker::layers
