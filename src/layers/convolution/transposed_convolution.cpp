// Conv1DTranspose and Conv2DTranspose: the gradient of a convolution with respect to its input, of
// which the layer's output has the shape and the layer's input is the gradient of the result. A
// kernel (.., filters, channels) is that convolution's, from `filters` to `channels`.
#include <algorithm>

#include "layers/convolution/base.h"
#include "layers/registry.h"

namespace stoker {
namespace {

using layers::Axes;
using layers::Padding;
using layers::Pair;

template <class Size>
struct TransposedArguments {
  std::int64_t filters = 0;
  Size kernel_size = 1;
  TransposedConvolutionOptions<Size> options{};
};

template <class Size>
void describe(Fields& fields, TransposedArguments<Size>& conv) {
  auto& options = conv.options;
  layers::describe_common(fields, options);
  fields.required("filters", conv.filters);
  layers::describe_windows(fields, conv.kernel_size, options);
  layers::describe_kernel_and_bias(fields, options);
}

template <class Size>
class TransposedLayer final : public layers::ConvolutionBase<TransposedArguments<Size>> {
 public:
  TransposedLayer(const char* class_name, TransposedArguments<Size> arguments)
      : layers::ConvolutionBase<TransposedArguments<Size>>(class_name, std::move(arguments)) {
    layers::require_positive(*this, "filters", filters_);
    this->require_sizes();
    if (const auto& given = this->options().output_padding) {
      output_padding_ = Axes<Size>::pair(*given, 0);
      for (std::size_t d = 0; d < 2; ++d) {
        const std::int64_t padding = (*output_padding_)[d];
        if (padding >= 0 && padding < this->strides_[d]) continue;
        throw ValueError(format(this->label(),
                                ": expected output_padding of 0 or more and below the strides, "
                                "received ",
                                layers::text_of<Size>(*output_padding_), " and strides ",
                                layers::text_of<Size>(this->strides_)));
      }
    }
  }

  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    this->require_input(x);
    const graph::Value kernel =
        context.weight({"kernel", this->kernel_shape(filters_, x.shape().back()),
                        this->options().kernel_initializer, this->options().kernel_regularizer,
                        this->options().kernel_constraint});
    const graph::Value dy = layers::as_image(context.to_compute(x));
    Shape result = dy.shape();
    result[3] = filters_;
    ops::Conv2DAttributes attributes;
    attributes.strides = this->strides_;
    attributes.dilations = this->dilations_;
    const Pair reach = this->reach();
    for (std::size_t d = 0; d < 2; ++d) {
      const std::int64_t spanned = (dy.shape()[d + 1] - 1) * this->strides_[d] + reach[d];
      result[d + 1] = layers::transposed_extent(
          dy.shape()[d + 1], reach[d], this->strides_[d], this->padding_,
          output_padding_ ? std::optional((*output_padding_)[d]) : std::nullopt);
      ops::require(result[d + 1] > 0, *x.graph, "nothing is left of input ", x.shape(),
                   " with output_padding ",
                   layers::text_of<Size>(output_padding_.value_or(Pair{})));
      const std::int64_t padding = std::max<std::int64_t>(spanned - result[d + 1], 0);
      attributes.padding_before[d] = padding / 2;
      attributes.padding_after[d] = padding - padding / 2;
    }
    return this->finish(
        context, ops::conv2d_backward_data(dy, layers::image_kernel(kernel), result, attributes));
  }

 private:
  const std::int64_t filters_ = this->arguments_.filters;
  std::optional<Pair> output_padding_;
};

template <class Size>
Layer transposed(const char* class_name, TransposedArguments<Size> arguments) {
  return Layer(std::make_shared<TransposedLayer<Size>>(class_name, std::move(arguments)));
}

}  // namespace

Layer Conv1DTranspose(std::int64_t filters, std::int64_t kernel_size,
                      Conv1DTransposeOptions options) {
  return transposed<std::int64_t>("Conv1DTranspose", {filters, kernel_size, std::move(options)});
}
Layer Conv2DTranspose(std::int64_t filters, Size2D kernel_size, Conv2DTransposeOptions options) {
  return transposed<Size2D>("Conv2DTranspose", {filters, kernel_size, std::move(options)});
}

Layer layers::make_Conv1DTranspose(Fields& fields) {
  return transposed("Conv1DTranspose", fields.all<TransposedArguments<std::int64_t>>());
}
Layer layers::make_Conv2DTranspose(Fields& fields) {
  return transposed("Conv2DTranspose", fields.all<TransposedArguments<Size2D>>());
}

}  // namespace stoker
