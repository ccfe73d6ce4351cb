// DepthwiseConv1D and DepthwiseConv2D: a kernel, or several, for each channel by itself.
// SeparableConv1D and SeparableConv2D: the same, and a second kernel that mixes the channels.
#include "layers/convolution/base.h"
#include "layers/registry.h"

namespace stoker {
namespace {

// Appends the convolution of each channel of an image with its own kernels, which are
// (.., channels, multiplier) in Keras's layout: as many groups as channels.
graph::Value depthwise(graph::Value image, graph::Value kernel,
                       const ops::Conv2DAttributes& attributes) {
  const Shape& k = kernel.shape();
  return ops::conv2d(image, ops::reshape(kernel, {k[0], k[1], 1, k[2] * k[3]}), attributes);
}

// ---- DepthwiseConv -----------------------------------------------------------------------------
template <class Size>
struct DepthwiseArguments {
  Size kernel_size = 1;
  DepthwiseConvolutionOptions<Size> options{};
};

template <class Size>
void describe(Fields& fields, DepthwiseArguments<Size>& conv) {
  auto& options = conv.options;
  layers::describe_common(fields, options);
  fields("depth_multiplier", options.depth_multiplier);
  layers::describe_windows(fields, conv.kernel_size, options);
  fields("activation", options.activation);
  fields("use_bias", options.use_bias);
  fields("depthwise_initializer", options.depthwise_initializer);
  fields("bias_initializer", options.bias_initializer);
  fields("depthwise_regularizer", options.depthwise_regularizer);
  fields("bias_regularizer", options.bias_regularizer);
  fields("activity_regularizer", options.activity_regularizer);
  fields("depthwise_constraint", options.depthwise_constraint);
  fields("bias_constraint", options.bias_constraint);
}

template <class Size>
class DepthwiseLayer final : public layers::ConvolutionBase<DepthwiseArguments<Size>> {
 public:
  DepthwiseLayer(const char* class_name, DepthwiseArguments<Size> arguments)
      : layers::ConvolutionBase<DepthwiseArguments<Size>>(class_name, std::move(arguments)) {
    layers::require_positive(*this, "depth_multiplier", this->options().depth_multiplier);
    this->require_sizes();
  }

  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    this->require_input(x);
    const auto& options = this->options();
    const graph::Value kernel =
        context.weight({"kernel", this->kernel_shape(x.shape().back(), options.depth_multiplier),
                        options.depthwise_initializer, options.depthwise_regularizer,
                        options.depthwise_constraint});
    return this->finish(
        context, depthwise(layers::as_image(context.to_compute(x)), layers::image_kernel(kernel),
                           this->attributes_for(x, x.shape().back())));
  }
};

template <class Size>
Layer depthwise_convolution(const char* class_name, DepthwiseArguments<Size> arguments) {
  return Layer(std::make_shared<DepthwiseLayer<Size>>(class_name, std::move(arguments)));
}

// ---- SeparableConv -----------------------------------------------------------------------------
template <class Size>
struct SeparableArguments {
  std::int64_t filters = 0;
  Size kernel_size = 1;
  SeparableConvolutionOptions<Size> options{};
};

template <class Size>
void describe(Fields& fields, SeparableArguments<Size>& conv) {
  auto& options = conv.options;
  layers::describe_common(fields, options);
  fields("depth_multiplier", options.depth_multiplier);
  fields.required("filters", conv.filters);
  layers::describe_windows(fields, conv.kernel_size, options);
  fields("activation", options.activation);
  fields("use_bias", options.use_bias);
  fields("depthwise_initializer", options.depthwise_initializer);
  fields("pointwise_initializer", options.pointwise_initializer);
  fields("bias_initializer", options.bias_initializer);
  fields("depthwise_regularizer", options.depthwise_regularizer);
  fields("pointwise_regularizer", options.pointwise_regularizer);
  fields("bias_regularizer", options.bias_regularizer);
  fields("activity_regularizer", options.activity_regularizer);
  fields("depthwise_constraint", options.depthwise_constraint);
  fields("pointwise_constraint", options.pointwise_constraint);
  fields("bias_constraint", options.bias_constraint);
}

template <class Size>
class SeparableLayer final : public layers::ConvolutionBase<SeparableArguments<Size>> {
 public:
  SeparableLayer(const char* class_name, SeparableArguments<Size> arguments)
      : layers::ConvolutionBase<SeparableArguments<Size>>(class_name, std::move(arguments)) {
    layers::require_positive(*this, "filters", filters_);
    layers::require_positive(*this, "depth_multiplier", this->options().depth_multiplier);
    this->require_sizes();
  }

  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    this->require_input(x);
    const auto& options = this->options();
    const std::int64_t channels = x.shape().back(), multiplier = options.depth_multiplier;
    const graph::Value depthwise_kernel =
        context.weight({"depthwise_kernel", this->kernel_shape(channels, multiplier),
                        options.depthwise_initializer, options.depthwise_regularizer,
                        options.depthwise_constraint});
    const graph::Value pointwise_kernel =
        context.weight({"pointwise_kernel", this->shape_of({1, 1}, channels * multiplier, filters_),
                        options.pointwise_initializer, options.pointwise_regularizer,
                        options.pointwise_constraint});
    const graph::Value image =
        depthwise(layers::as_image(context.to_compute(x)), layers::image_kernel(depthwise_kernel),
                  this->attributes_for(x, channels));
    return this->finish(context, ops::conv2d(image, layers::image_kernel(pointwise_kernel), {}));
  }

 private:
  const std::int64_t filters_ = this->arguments_.filters;
};

template <class Size>
Layer separable_convolution(const char* class_name, SeparableArguments<Size> arguments) {
  return Layer(std::make_shared<SeparableLayer<Size>>(class_name, std::move(arguments)));
}

}  // namespace

Layer DepthwiseConv1D(std::int64_t kernel_size, DepthwiseConv1DOptions options) {
  return depthwise_convolution<std::int64_t>("DepthwiseConv1D", {kernel_size, std::move(options)});
}
Layer DepthwiseConv2D(Size2D kernel_size, DepthwiseConv2DOptions options) {
  return depthwise_convolution<Size2D>("DepthwiseConv2D", {kernel_size, std::move(options)});
}
Layer SeparableConv1D(std::int64_t filters, std::int64_t kernel_size,
                      SeparableConv1DOptions options) {
  return separable_convolution<std::int64_t>("SeparableConv1D",
                                             {filters, kernel_size, std::move(options)});
}
Layer SeparableConv2D(std::int64_t filters, Size2D kernel_size, SeparableConv2DOptions options) {
  return separable_convolution<Size2D>("SeparableConv2D",
                                       {filters, kernel_size, std::move(options)});
}

Layer layers::make_DepthwiseConv1D(Fields& fields) {
  return depthwise_convolution("DepthwiseConv1D", fields.all<DepthwiseArguments<std::int64_t>>());
}
Layer layers::make_DepthwiseConv2D(Fields& fields) {
  return depthwise_convolution("DepthwiseConv2D", fields.all<DepthwiseArguments<Size2D>>());
}
Layer layers::make_SeparableConv1D(Fields& fields) {
  return separable_convolution("SeparableConv1D", fields.all<SeparableArguments<std::int64_t>>());
}
Layer layers::make_SeparableConv2D(Fields& fields) {
  return separable_convolution("SeparableConv2D", fields.all<SeparableArguments<Size2D>>());
}

}  // namespace stoker
