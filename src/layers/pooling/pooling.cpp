// MaxPooling and AveragePooling: windows over sequences (batch, steps, features) and images (batch,
// height, width, channels).
#include "layers/fields.h"
#include "layers/registry.h"
#include "layers/windows.h"

namespace stoker {
namespace {

using layers::Axes;
using layers::Padding;

template <class Size>
struct PoolingArguments {
  Size pool_size = 2;
  PoolingWindowOptions<Size> options{};
};

template <class Size>
void describe(Fields& fields, PoolingArguments<Size>& pooling) {
  layers::describe_common(fields, pooling.options);
  layers::describe_size(fields, "pool_size", pooling.pool_size);
  if (!fields.reads() && !pooling.options.strides) pooling.options.strides = pooling.pool_size;
  fields("padding", pooling.options.padding);
  layers::describe_size(fields, "strides", pooling.options.strides);
  fields.always("data_format", "channels_last");
}

template <class Size>
class PoolingLayer final : public layers::DescribedLayer<PoolingArguments<Size>> {
 public:
  PoolingLayer(const char* class_name, ops::PoolKind kind, PoolingArguments<Size> arguments)
      : layers::DescribedLayer<PoolingArguments<Size>>(class_name, std::move(arguments)),
        padding_(layers::parse_padding(*this, this->arguments_.options.padding)) {
    const Size pool_size = this->arguments_.pool_size;
    attributes_.kind = kind;
    attributes_.window = Axes<Size>::pair(pool_size);
    attributes_.strides = Axes<Size>::pair(this->arguments_.options.strides.value_or(pool_size));
    layers::require_along_axes<Size>(*this, "pool_size", attributes_.window);
    layers::require_along_axes<Size>(*this, "strides", attributes_.strides);
  }

  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    layers::require_rank(x, Axes<Size>::kRank, Axes<Size>::kInput);
    ops::Pool2DAttributes attributes = attributes_;
    layers::set_padding(x, padding_, attributes.window, attributes.strides,
                        attributes.padding_before, attributes.padding_after,
                        "window " + layers::text_of<Size>(attributes.window), "window");
    return layers::from_image<Size>(
        ops::pool2d(layers::as_image(context.to_compute(x)), attributes));
  }

 private:
  const Padding padding_;
  ops::Pool2DAttributes attributes_;  // These are without the padding, which depends on the input.
};

template <class Size>
Layer max_pooling(const char* class_name, PoolingArguments<Size> arguments) {
  return Layer(
      std::make_shared<PoolingLayer<Size>>(class_name, ops::PoolKind::max, std::move(arguments)));
}
template <class Size>
Layer average_pooling(const char* class_name, PoolingArguments<Size> arguments) {
  return Layer(std::make_shared<PoolingLayer<Size>>(class_name, ops::PoolKind::average,
                                                    std::move(arguments)));
}

}  // namespace

Layer MaxPooling1D(std::int64_t pool_size, Pooling1DOptions options) {
  return max_pooling<std::int64_t>("MaxPooling1D", {pool_size, std::move(options)});
}
Layer MaxPooling2D(Size2D pool_size, PoolingOptions options) {
  return max_pooling<Size2D>("MaxPooling2D", {pool_size, std::move(options)});
}
Layer AveragePooling1D(std::int64_t pool_size, Pooling1DOptions options) {
  return average_pooling<std::int64_t>("AveragePooling1D", {pool_size, std::move(options)});
}
Layer AveragePooling2D(Size2D pool_size, PoolingOptions options) {
  return average_pooling<Size2D>("AveragePooling2D", {pool_size, std::move(options)});
}

Layer layers::make_MaxPooling1D(Fields& fields) {
  return max_pooling("MaxPooling1D", fields.all<PoolingArguments<std::int64_t>>());
}
Layer layers::make_MaxPooling2D(Fields& fields) {
  return max_pooling("MaxPooling2D", fields.all<PoolingArguments<Size2D>>());
}
Layer layers::make_AveragePooling1D(Fields& fields) {
  return average_pooling("AveragePooling1D", fields.all<PoolingArguments<std::int64_t>>());
}
Layer layers::make_AveragePooling2D(Fields& fields) {
  return average_pooling("AveragePooling2D", fields.all<PoolingArguments<Size2D>>());
}

}  // namespace stoker
