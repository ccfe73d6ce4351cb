// Conv2D: y = activation(x * kernel + bias) over images (batch, height, width, channels).
#include "layers/fields.h"
#include "layers/padding.h"
#include "layers/registry.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using layers::Padding;

struct Conv2DArguments {
  std::int64_t filters = 0;
  Size2D kernel_size = 1;
  Conv2DOptions options{};
};

void describe(Fields& fields, Conv2DArguments& conv) {
  layers::describe_common(fields, conv.options);
  fields.required("filters", conv.filters);
  fields.required("kernel_size", conv.kernel_size);
  fields("strides", conv.options.strides);
  fields("padding", conv.options.padding);
  fields.always("data_format", "channels_last");
  fields("dilation_rate", conv.options.dilation_rate);
  fields("groups", conv.options.groups);
  layers::describe_kernel_and_bias(fields, conv.options);
}

class Conv2DLayer final : public layers::DescribedLayer<Conv2DArguments> {
 public:
  explicit Conv2DLayer(Conv2DArguments arguments)
      : DescribedLayer("Conv2D", std::move(arguments)),
        padding_(layers::parse_padding(*this, options_.padding)) {
    layers::require_positive(*this, "filters", filters_);
    layers::require_positive(*this, "groups", options_.groups);
    for (std::size_t d = 0; d < 2; ++d) {
      layers::require_along_axis(*this, "kernel_size", kernel_size_[d]);
      layers::require_along_axis(*this, "strides", strides_[d]);
      layers::require_along_axis(*this, "dilation_rate", dilations_[d]);
    }
    if (filters_ % options_.groups != 0) {
      throw ValueError(format(label(), ": expected filters divisible by groups, received ",
                              filters_, " filters and ", options_.groups, " groups"));
    }
    const bool is_strided = strides_[0] > 1 || strides_[1] > 1;
    const bool is_dilated = dilations_[0] > 1 || dilations_[1] > 1;
    if (is_strided && is_dilated) {
      throw ValueError(format(label(),
                              ": expected strides or dilation_rate above 1, not both "
                              "(as Keras), received strides ",
                              text(strides_), " and dilation_rate ", text(dilations_)));
    }
  }

  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    layers::require_rank(x, 4, "Images are (batch, height, width, channels)");
    const std::int64_t channels = x.shape()[3];
    ops::require(channels % options_.groups == 0, *x.graph, "expected channels divisible by ",
                 options_.groups, " groups, received ", x.shape());
    const graph::Value kernel =
        context.weight({"kernel",
                        {kernel_size_[0], kernel_size_[1], channels / options_.groups, filters_},
                        options_.kernel_initializer,
                        options_.kernel_regularizer});

    graph::Value y = ops::conv2d(context.to_compute(x), kernel, attributes_for(x));
    if (options_.use_bias) {
      y = ops::add(y,
                   context.weight(
                       {"bias", {filters_}, options_.bias_initializer, options_.bias_regularizer}));
    }
    y = layers::activate(y, options_.activation);
    layers::add_activity_loss(context, options_.activity_regularizer, y);
    return y;
  }

 private:
  using Pair = std::array<std::int64_t, 2>;

  static std::string text(const Pair& pair) { return format("(", pair[0], ", ", pair[1], ")"); }

  ops::Conv2DAttributes attributes_for(graph::Value x) const {
    ops::Conv2DAttributes attributes;
    attributes.strides = strides_;
    attributes.dilations = dilations_;
    attributes.groups = options_.groups;
    for (std::size_t d = 0; d < 2; ++d) {
      const std::int64_t extent = x.shape()[d + 1];
      const std::int64_t reach = (kernel_size_[d] - 1) * dilations_[d] + 1;
      if (padding_ == Padding::same) {
        const auto padding = layers::same_padding(extent, reach, strides_[d]);
        attributes.padding_before[d] = padding[0];
        attributes.padding_after[d] = padding[1];
      } else {
        ops::require(extent >= reach, *x.graph, "kernel ", text(kernel_size_),
                     dilations_ == Pair{1, 1} ? "" : " dilated by " + text(dilations_),
                     " does not fit input ", x.shape(),
                     ". Use a smaller kernel, or padding = \"same\"");
      }
    }
    return attributes;
  }

  static Pair pair(const Size2D& size) { return {size.height, size.width}; }

  const Conv2DOptions& options_ = arguments_.options;
  const std::int64_t filters_ = arguments_.filters;
  const Pair kernel_size_ = pair(arguments_.kernel_size);
  const Pair strides_ = pair(options_.strides);
  const Pair dilations_ = pair(options_.dilation_rate);
  const Padding padding_;
};

}  // namespace

Layer Conv2D(std::int64_t filters, Size2D kernel_size, Conv2DOptions options) {
  return Layer(
      std::make_shared<Conv2DLayer>(Conv2DArguments{filters, kernel_size, std::move(options)}));
}

Layer layers::make_Conv2D(Fields& fields) {
  return Layer(std::make_shared<Conv2DLayer>(fields.all<Conv2DArguments>()));
}

}  // namespace stoker
