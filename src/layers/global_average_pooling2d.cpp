// GlobalAveragePooling2D: the mean of each channel of an image.
#include "layers/layer.h"

namespace stoker {
namespace {

class GlobalAveragePooling2DLayer final : public layers::LayerBase {
 public:
  explicit GlobalAveragePooling2DLayer(GlobalPoolingOptions options)
      : LayerBase("GlobalAveragePooling2D", options.name, options.dtype),
        keepdims_(options.keepdims) {}

  graph::Value build(layers::BuildContext& context, graph::Value x) override {
    layers::require_rank(x, 4, "Images are (batch, height, width, channels)");
    return context.to_compute(ops::reduce_mean(x, {1, 2}, keepdims_));
  }

 private:
  const bool keepdims_;
};

}  // namespace

Layer GlobalAveragePooling2D(GlobalPoolingOptions options) {
  return Layer(std::make_shared<GlobalAveragePooling2DLayer>(std::move(options)));
}

}  // namespace stoker
