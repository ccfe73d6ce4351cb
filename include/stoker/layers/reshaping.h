// Layers that give elements another shape or place, leave some out, repeat them, or put others
// around them. Sequences are (batch, steps, channels), images (batch, height, width, channels), and
// volumes (batch, depth, height, width, channels).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "stoker/layers/layer.h"
#include "stoker/layers/sides.h"
#include "stoker/layers/size2d.h"
#include "stoker/layers/size3d.h"
#include "stoker/shape.h"

namespace stoker {

Layer Flatten(NameOptions options = {});
// `target_shape` is without the batch; one extent may be -1.
Layer Reshape(Shape target_shape, NameOptions options = {});
// Puts the axes after the batch in another order: with {2, 1}, axis 1 of the output is axis 2 of
// the input. Each axis stands there once.
Layer Permute(std::vector<std::int64_t> dims, NameOptions options = {});
// Repeats (batch, features) to (batch, n, features).
Layer RepeatVector(std::int64_t n, NameOptions options = {});

// These leave elements at the ends of the axes out.
Layer Cropping1D(Sides cropping = 1, NameOptions options = {});
Layer Cropping2D(Sides2D cropping = 0, NameOptions options = {});
Layer Cropping3D(Sides3D cropping = 1, NameOptions options = {});
// These put zeros before and after the elements.
Layer ZeroPadding1D(Sides padding = 1, NameOptions options = {});
Layer ZeroPadding2D(Sides2D padding = 1, NameOptions options = {});
Layer ZeroPadding3D(Sides3D padding = 1, NameOptions options = {});

// These repeat each step, pixel or voxel.
Layer UpSampling1D(std::int64_t size = 2, NameOptions options = {});
struct UpSampling2DOptions {
  std::string interpolation = "nearest";  // or "bilinear"
  std::string name{};
  std::string dtype{};
};
Layer UpSampling2D(Size2D size = 2, UpSampling2DOptions options = {});
Layer UpSampling3D(Size3D size = 2, NameOptions options = {});

}  // namespace stoker
