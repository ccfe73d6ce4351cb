// Convolutions of sequences (batch, steps, features), images (batch, height, width, channels) and
// volumes (batch, depth, height, width, channels).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "stoker/constraints.h"
#include "stoker/initializers.h"
#include "stoker/layers/layer.h"
#include "stoker/layers/size2d.h"
#include "stoker/layers/size3d.h"

namespace stoker {

// In all options below, `padding` is "valid" or "same" (Keras's, with one more at the end when it
// is odd), and either the strides or the dilation rate is above 1, not both. Options of sequences
// have one number where those of images have a Size2D, and those of volumes a Size3D.

// `padding` of a Conv1D may also be "causal": then no output depends on later steps.
template <class Size>
struct ConvolutionOptions {
  Size strides = 1;
  std::string padding = "valid";
  Size dilation_rate = 1;
  std::int64_t groups = 1;
  ActivationFunction activation{};
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  Regularizer kernel_regularizer{};
  Regularizer bias_regularizer{};
  Regularizer activity_regularizer{};
  Constraint kernel_constraint{};
  Constraint bias_constraint{};
  std::string name{};
  std::string dtype{};
};
using Conv1DOptions = ConvolutionOptions<std::int64_t>;
using Conv2DOptions = ConvolutionOptions<Size2D>;
using Conv3DOptions = ConvolutionOptions<Size3D>;
Layer Conv1D(std::int64_t filters, std::int64_t kernel_size, Conv1DOptions options = {});
Layer Conv2D(std::int64_t filters, Size2D kernel_size, Conv2DOptions options = {});
Layer Conv3D(std::int64_t filters, Size3D kernel_size, Conv3DOptions options = {});

// The gradient of a convolution with respect to its input, as a layer of its own: what a stride
// makes small, it makes large. The kernel is (.., filters, channels). With "valid" an axis of n
// becomes (n - 1) stride + max(reach, stride), where the reach is that of the dilated kernel, and
// with "same" n stride. An `output_padding`, which is less than the strides, says it instead:
// (n - 1) stride + reach + output_padding, and with "same" reach % 2 instead of reach.
template <class Size>
struct TransposedConvolutionOptions {
  Size strides = 1;
  std::string padding = "valid";
  std::optional<Size> output_padding{};
  Size dilation_rate = 1;
  ActivationFunction activation{};
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  Regularizer kernel_regularizer{};
  Regularizer bias_regularizer{};
  Regularizer activity_regularizer{};
  Constraint kernel_constraint{};
  Constraint bias_constraint{};
  std::string name{};
  std::string dtype{};
};
using Conv1DTransposeOptions = TransposedConvolutionOptions<std::int64_t>;
using Conv2DTransposeOptions = TransposedConvolutionOptions<Size2D>;
using Conv3DTransposeOptions = TransposedConvolutionOptions<Size3D>;
Layer Conv1DTranspose(std::int64_t filters, std::int64_t kernel_size,
                      Conv1DTransposeOptions options = {});
Layer Conv2DTranspose(std::int64_t filters, Size2D kernel_size,
                      Conv2DTransposeOptions options = {});
Layer Conv3DTranspose(std::int64_t filters, Size3D kernel_size,
                      Conv3DTransposeOptions options = {});

// Each channel has `depth_multiplier` kernels of its own, and so many channels in the output, which
// lie side by side. The kernel is (.., channels, depth_multiplier).
template <class Size>
struct DepthwiseConvolutionOptions {
  Size strides = 1;
  std::string padding = "valid";
  std::int64_t depth_multiplier = 1;
  Size dilation_rate = 1;
  ActivationFunction activation{};
  bool use_bias = true;
  Initializer depthwise_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  Regularizer depthwise_regularizer{};
  Regularizer bias_regularizer{};
  Regularizer activity_regularizer{};
  Constraint depthwise_constraint{};
  Constraint bias_constraint{};
  std::string name{};
  std::string dtype{};
};
using DepthwiseConv1DOptions = DepthwiseConvolutionOptions<std::int64_t>;
using DepthwiseConv2DOptions = DepthwiseConvolutionOptions<Size2D>;
Layer DepthwiseConv1D(std::int64_t kernel_size, DepthwiseConv1DOptions options = {});
Layer DepthwiseConv2D(Size2D kernel_size, DepthwiseConv2DOptions options = {});

// A depthwise convolution without bias or activation, whose channels a second kernel of one pixel
// mixes into `filters`.
template <class Size>
struct SeparableConvolutionOptions {
  Size strides = 1;
  std::string padding = "valid";
  Size dilation_rate = 1;
  std::int64_t depth_multiplier = 1;
  ActivationFunction activation{};
  bool use_bias = true;
  Initializer depthwise_initializer = "glorot_uniform";
  Initializer pointwise_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  Regularizer depthwise_regularizer{};
  Regularizer pointwise_regularizer{};
  Regularizer bias_regularizer{};
  Regularizer activity_regularizer{};
  Constraint depthwise_constraint{};
  Constraint pointwise_constraint{};
  Constraint bias_constraint{};
  std::string name{};
  std::string dtype{};
};
using SeparableConv1DOptions = SeparableConvolutionOptions<std::int64_t>;
using SeparableConv2DOptions = SeparableConvolutionOptions<Size2D>;
Layer SeparableConv1D(std::int64_t filters, std::int64_t kernel_size,
                      SeparableConv1DOptions options = {});
Layer SeparableConv2D(std::int64_t filters, Size2D kernel_size,
                      SeparableConv2DOptions options = {});

}  // namespace stoker
