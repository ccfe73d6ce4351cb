// What the layers of convolution share: their sizes with the checks of these, and the bias,
// activation and penalty behind the sum.
#pragma once

#include <string>
#include <utility>

#include "layers/fields.h"
#include "layers/windows.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker::layers {

// Describes the fields of the windows, in Keras's order. Only transposed convolutions have an
// output_padding.
template <class Size, class Options>
void describe_windows(Fields& fields, Size& kernel_size, Options& options) {
  describe_required_size(fields, "kernel_size", kernel_size);
  describe_size(fields, "strides", options.strides);
  fields("padding", options.padding);
  if constexpr (requires { options.output_padding; }) {
    describe_size(fields, "output_padding", options.output_padding);
  }
  fields.always("data_format", "channels_last");
  describe_size(fields, "dilation_rate", options.dilation_rate);
}

// A layer whose Arguments have a kernel_size, and options with strides, padding, dilation_rate,
// bias and activation.
template <class Arguments>
class ConvolutionBase : public DescribedLayer<Arguments> {
 protected:
  using Size = decltype(Arguments::kernel_size);

  ConvolutionBase(std::string class_name, Arguments arguments, bool allow_causal = false)
      : DescribedLayer<Arguments>(std::move(class_name), std::move(arguments)),
        kernel_size_(Axes<Size>::pair(this->arguments_.kernel_size)),
        strides_(Axes<Size>::pair(options().strides)),
        dilations_(Axes<Size>::pair(options().dilation_rate)),
        padding_(parse_padding(*this, options().padding, allow_causal)) {}

  // A constructor calls this after it has checked the numbers of channels.
  void require_sizes() const {
    require_along_axes<Size>(*this, "kernel_size", kernel_size_);
    require_along_axes<Size>(*this, "strides", strides_);
    require_along_axes<Size>(*this, "dilation_rate", dilations_);
    const bool is_strided = strides_[0] > 1 || strides_[1] > 1;
    if (is_strided && is_dilated()) {
      throw ValueError(format(this->label(),
                              ": expected strides or dilation_rate above 1, not both "
                              "(as Keras), received strides ",
                              text_of<Size>(strides_), " and dilation_rate ",
                              text_of<Size>(dilations_)));
    }
  }
  static void require_input(graph::Value x) {
    require_rank(x, Axes<Size>::kRank, Axes<Size>::kInput);
  }

  const auto& options() const { return this->arguments_.options; }
  bool is_dilated() const { return dilations_[0] > 1 || dilations_[1] > 1; }
  // Returns the extents that the dilated kernel spans.
  Pair reach() const {
    return {(kernel_size_[0] - 1) * dilations_[0] + 1, (kernel_size_[1] - 1) * dilations_[1] + 1};
  }
  // Returns the shape of a kernel in Keras's layout: its sizes, and two numbers of channels.
  Shape kernel_shape(std::int64_t from, std::int64_t to) const {
    return shape_of(kernel_size_, from, to);
  }
  static Shape shape_of(const Pair& size, std::int64_t from, std::int64_t to) {
    if (Axes<Size>::kFirst == 1) return {size[1], from, to};
    return {size[0], size[1], from, to};
  }

  // Returns the attributes of a convolution of the layer's input x.
  ops::Conv2DAttributes attributes_for(graph::Value x, std::int64_t groups) const {
    ops::Conv2DAttributes attributes;
    attributes.strides = strides_;
    attributes.dilations = dilations_;
    attributes.groups = groups;
    set_padding(x, padding_, reach(), strides_, attributes.padding_before, attributes.padding_after,
                text_of_kernel(), "kernel");
    return attributes;
  }

  // Returns the layer's output, from the image of sums that it ends in.
  graph::Value finish(BuildContext& context, graph::Value image) const {
    const auto& options = this->options();
    if (options.use_bias) {
      image = ops::add(image, context.weight({"bias",
                                              {image.shape()[3]},
                                              options.bias_initializer,
                                              options.bias_regularizer,
                                              options.bias_constraint}));
    }
    const graph::Value y = from_image<Size>(activate(image, options.activation));
    add_activity_loss(context, options.activity_regularizer, y);
    return y;
  }

  const Pair kernel_size_, strides_, dilations_;
  const Padding padding_;

 private:
  std::string text_of_kernel() const {
    return format("kernel ", text_of<Size>(kernel_size_),
                  is_dilated() ? " dilated by " + text_of<Size>(dilations_) : "");
  }
};

}  // namespace stoker::layers
