// Convolutions of images (batch, height, width, channels).
#pragma once

#include <cstdint>
#include <string>

#include "stoker/initializers.h"
#include "stoker/layers/layer.h"
#include "stoker/layers/size2d.h"

namespace stoker {

// `padding` is "valid" or "same" (Keras's, with one more at the end when it is odd).
struct Conv2DOptions {
  Size2D strides = 1;
  std::string padding = "valid";
  Size2D dilation_rate = 1;
  std::int64_t groups = 1;
  ActivationFunction activation{};
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  Regularizer kernel_regularizer{};
  Regularizer bias_regularizer{};
  Regularizer activity_regularizer{};
  std::string name{};
  std::string dtype{};
};
Layer Conv2D(std::int64_t filters, Size2D kernel_size, Conv2DOptions options = {});

}  // namespace stoker
