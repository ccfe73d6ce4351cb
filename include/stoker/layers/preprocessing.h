// Layers that prepare inputs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "stoker/axes.h"
#include "stoker/layers/layer.h"
#include "stoker/tensor.h"

namespace stoker {

// y = x * scale + offset.
struct RescalingOptions {
  double offset = 0.0;
  std::string name{};
  std::string dtype{};
};
Layer Rescaling(double scale, RescalingOptions options = {});

// y = (x - mean) / max(sqrt(variance), 1e-7), or with `invert` the x of such a y. There is a mean
// and a variance for each place along the axes, of which none is the batch, and one of all elements
// for {}. They are given, as one number or one for each place along the last of the axes, or else
// weights that adapt() learns; these are not trained.
struct NormalizationOptions {
  Axes axis = -1;
  std::vector<double> mean{};
  std::vector<double> variance{};
  bool invert = false;
  std::string name{};
  std::string dtype{};
};
Layer Normalization(NormalizationOptions options = {});
// Has a Normalization begin with the mean and variance of `data`, whose first axis is the batch. It
// must not be in a model yet. Throws ValueError, and ShapeError where the data does not fit.
void adapt(const Layer& normalization, const Tensor& data);

// Images (batch, height, width, channels) in another size. A pixel of the result is the mean of the
// nearest four pixels, weighed by their distance ("bilinear"), or the nearest one ("nearest"). With
// crop_to_aspect_ratio the image's middle is resized that has the result's aspect ratio; with
// pad_to_aspect_ratio the whole image is, and fill_value stands around it.
struct ResizingOptions {
  std::string interpolation = "bilinear";
  bool crop_to_aspect_ratio = false;
  bool pad_to_aspect_ratio = false;
  double fill_value = 0.0;
  std::string name{};
  std::string dtype{};
};
Layer Resizing(std::int64_t height, std::int64_t width, ResizingOptions options = {});

// The middle of images (batch, height, width, channels). An image that is smaller is cropped to the
// aspect ratio and resized.
Layer CenterCrop(std::int64_t height, std::int64_t width, NameOptions options = {});

}  // namespace stoker
