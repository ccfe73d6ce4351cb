// Layers that only act while training.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "stoker/layers/layer.h"
#include "stoker/shape.h"

namespace stoker {

// Sets a share `rate` of the inputs to zero while training and scales the rest by 1 / (1 - rate).
struct DropoutOptions {
  // The shape of the mask: along axes with extent 1 all elements share their mask. It includes the
  // batch extent (-1 keeps it). An empty shape shares nothing.
  Shape noise_shape{};
  std::optional<std::uint64_t> seed{};
  std::string name{};
  std::string dtype{};
};
Layer Dropout(double rate, DropoutOptions options = {});
// Sets a share `rate` of the inputs to SELU's limit for small values while training, and keeps mean
// and variance of inputs that have mean 0 and variance 1.
Layer AlphaDropout(double rate, DropoutOptions options = {});

struct NoiseOptions {
  std::optional<std::uint64_t> seed{};
  std::string name{};
  std::string dtype{};
};
// These are Dropout on whole channels of sequences (batch, steps, channels), of images (batch,
// height, width, channels) and of volumes (batch, depth, height, width, channels).
Layer SpatialDropout1D(double rate, NoiseOptions options = {});
Layer SpatialDropout2D(double rate, NoiseOptions options = {});
Layer SpatialDropout3D(double rate, NoiseOptions options = {});
// Adds normal noise of mean 0 and this standard deviation, between 0 and 1, while training.
Layer GaussianNoise(double stddev, NoiseOptions options = {});
// Multiplies by normal noise of mean 1 and variance rate / (1 - rate) while training.
Layer GaussianDropout(double rate, NoiseOptions options = {});

// Returns its input, and adds the penalty l1 sum|x| + l2 sum x^2, divided by the batch size, to the
// loss.
struct ActivityRegularizationOptions {
  double l1 = 0.0;
  double l2 = 0.0;
  std::string name{};
  std::string dtype{};
};
Layer ActivityRegularization(ActivityRegularizationOptions options = {});

}  // namespace stoker
