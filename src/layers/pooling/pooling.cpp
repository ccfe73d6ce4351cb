// MaxPooling2D and AveragePooling2D: windows over images (batch, height, width, channels).
#include "layers/fields.h"
#include "layers/padding.h"
#include "layers/registry.h"
#include "ops/common.h"

namespace stoker {
namespace {

using layers::Padding;

struct PoolingArguments {
  Size2D pool_size = 2;
  PoolingOptions options{};
};

void describe(Fields& fields, PoolingArguments& pooling) {
  layers::describe_common(fields, pooling.options);
  fields("pool_size", pooling.pool_size);
  if (!fields.reads() && !pooling.options.strides) pooling.options.strides = pooling.pool_size;
  fields("padding", pooling.options.padding);
  fields("strides", pooling.options.strides);
  fields.always("data_format", "channels_last");
}

class Pooling2DLayer final : public layers::DescribedLayer<PoolingArguments> {
 public:
  Pooling2DLayer(const char* class_name, ops::PoolKind kind, PoolingArguments arguments)
      : DescribedLayer(class_name, std::move(arguments)),
        padding_(layers::parse_padding(*this, arguments_.options.padding)) {
    const Size2D pool_size = arguments_.pool_size;
    const Size2D strides = arguments_.options.strides.value_or(pool_size);
    attributes_.kind = kind;
    attributes_.window = {pool_size.height, pool_size.width};
    attributes_.strides = {strides.height, strides.width};
    for (std::size_t d = 0; d < 2; ++d) {
      layers::require_along_axis(*this, "pool_size", attributes_.window[d]);
      layers::require_along_axis(*this, "strides", attributes_.strides[d]);
    }
  }

  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    layers::require_rank(x, 4, "Images are (batch, height, width, channels)");
    ops::Pool2DAttributes attributes = attributes_;
    const auto& window = attributes.window;
    for (std::size_t d = 0; d < 2; ++d) {
      const std::int64_t extent = x.shape()[d + 1];
      if (padding_ == Padding::same) {
        const auto padding = layers::same_padding(extent, window[d], attributes.strides[d]);
        attributes.padding_before[d] = padding[0];
        attributes.padding_after[d] = padding[1];
      } else {
        ops::require(extent >= window[d], *x.graph, "window (", window[0], ", ", window[1],
                     ") does not fit input ", x.shape(),
                     ". Use a smaller window, or padding = \"same\"");
      }
    }
    return ops::pool2d(context.to_compute(x), attributes);
  }

 private:
  const Padding padding_;
  ops::Pool2DAttributes attributes_;  // These are without the padding, which depends on the input.
};

Layer max_pooling(PoolingArguments arguments) {
  return Layer(
      std::make_shared<Pooling2DLayer>("MaxPooling2D", ops::PoolKind::max, std::move(arguments)));
}
Layer average_pooling(PoolingArguments arguments) {
  return Layer(std::make_shared<Pooling2DLayer>("AveragePooling2D", ops::PoolKind::average,
                                                std::move(arguments)));
}

}  // namespace

Layer MaxPooling2D(Size2D pool_size, PoolingOptions options) {
  return max_pooling({pool_size, std::move(options)});
}
Layer AveragePooling2D(Size2D pool_size, PoolingOptions options) {
  return average_pooling({pool_size, std::move(options)});
}

Layer layers::make_MaxPooling2D(Fields& fields) {
  return max_pooling(fields.all<PoolingArguments>());
}
Layer layers::make_AveragePooling2D(Fields& fields) {
  return average_pooling(fields.all<PoolingArguments>());
}

}  // namespace stoker
