// Conv1D and Conv2D: y = activation(x * kernel + bias) over sequences (batch, steps, features) and
// images (batch, height, width, channels).
#include "layers/convolution/base.h"
#include "layers/registry.h"

namespace stoker {
namespace {

template <class Size>
struct ConvolutionArguments {
  std::int64_t filters = 0;
  Size kernel_size = 1;
  ConvolutionOptions<Size> options{};
};

template <class Size>
void describe(Fields& fields, ConvolutionArguments<Size>& conv) {
  layers::describe_common(fields, conv.options);
  fields.required("filters", conv.filters);
  layers::describe_windows(fields, conv.kernel_size, conv.options);
  fields("groups", conv.options.groups);
  layers::describe_kernel_and_bias(fields, conv.options);
}

template <class Size>
class ConvolutionLayer final : public layers::ConvolutionBase<ConvolutionArguments<Size>> {
 public:
  ConvolutionLayer(const char* class_name, ConvolutionArguments<Size> arguments)
      : layers::ConvolutionBase<ConvolutionArguments<Size>>(class_name, std::move(arguments),
                                                            std::is_same_v<Size, std::int64_t>) {
    layers::require_positive(*this, "filters", filters_);
    layers::require_positive(*this, "groups", groups_);
    this->require_sizes();
    if (filters_ % groups_ != 0) {
      throw ValueError(format(this->label(), ": expected filters divisible by groups, received ",
                              filters_, " filters and ", groups_, " groups"));
    }
  }

  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    this->require_input(x);
    const std::int64_t channels = x.shape().back();
    ops::require(channels % groups_ == 0, *x.graph, "expected channels divisible by ", groups_,
                 " groups, received ", x.shape());
    const graph::Value kernel =
        context.weight({"kernel", this->kernel_shape(channels / groups_, filters_),
                        this->options().kernel_initializer, this->options().kernel_regularizer,
                        this->options().kernel_constraint});
    return this->finish(
        context, ops::conv2d(layers::as_image(context.to_compute(x)), layers::image_kernel(kernel),
                             this->attributes_for(x, groups_)));
  }

 private:
  const std::int64_t filters_ = this->arguments_.filters;
  const std::int64_t groups_ = this->arguments_.options.groups;
};

template <class Size>
Layer convolution(const char* class_name, ConvolutionArguments<Size> arguments) {
  return Layer(std::make_shared<ConvolutionLayer<Size>>(class_name, std::move(arguments)));
}

}  // namespace

Layer Conv1D(std::int64_t filters, std::int64_t kernel_size, Conv1DOptions options) {
  return convolution<std::int64_t>("Conv1D", {filters, kernel_size, std::move(options)});
}
Layer Conv2D(std::int64_t filters, Size2D kernel_size, Conv2DOptions options) {
  return convolution<Size2D>("Conv2D", {filters, kernel_size, std::move(options)});
}

Layer layers::make_Conv1D(Fields& fields) {
  return convolution("Conv1D", fields.all<ConvolutionArguments<std::int64_t>>());
}
Layer layers::make_Conv2D(Fields& fields) {
  return convolution("Conv2D", fields.all<ConvolutionArguments<Size2D>>());
}

}  // namespace stoker
