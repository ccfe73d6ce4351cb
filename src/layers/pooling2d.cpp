// MaxPooling2D and AveragePooling2D: windows over images (batch, height, width, channels).
#include "layers/layer.h"
#include "layers/padding.h"
#include "ops/common.h"

namespace stoker {
namespace {

using layers::Padding;

class Pooling2DLayer final : public layers::LayerBase {
 public:
  Pooling2DLayer(const char* class_name, ops::PoolKind kind, Size2D pool_size,
                 PoolingOptions options)
      : LayerBase(class_name, std::move(options.name), options.dtype),
        padding_(layers::parse_padding(*this, options.padding)) {
    const Size2D strides = options.strides.value_or(pool_size);
    attributes_.kind = kind;
    attributes_.window = {pool_size.height, pool_size.width};
    attributes_.strides = {strides.height, strides.width};
    for (std::size_t d = 0; d < 2; ++d) {
      layers::require_positive(*this, "pool_size", attributes_.window[d]);
      layers::require_positive(*this, "strides", attributes_.strides[d]);
    }
  }

  graph::Value build(layers::BuildContext& context, graph::Value x) override {
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
  ops::Pool2DAttributes attributes_;  // without the padding, which depends on the input
};

}  // namespace

Layer MaxPooling2D(Size2D pool_size, PoolingOptions options) {
  return Layer(std::make_shared<Pooling2DLayer>("MaxPooling2D", ops::PoolKind::max, pool_size,
                                                std::move(options)));
}
Layer AveragePooling2D(Size2D pool_size, PoolingOptions options) {
  return Layer(std::make_shared<Pooling2DLayer>("AveragePooling2D", ops::PoolKind::average,
                                                pool_size, std::move(options)));
}

}  // namespace stoker
