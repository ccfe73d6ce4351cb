// Flatten: all axes but the batch become one.
#include "layers/layer.h"

namespace stoker {
namespace {

class FlattenLayer final : public layers::LayerBase {
 public:
  explicit FlattenLayer(NameOptions options) : LayerBase("Flatten", options.name, options.dtype) {}

  graph::Value build(layers::BuildContext&, graph::Value x) override {
    return ops::reshape(x, {x.shape()[0], x.shape().without_batch().elements()});
  }
};

}  // namespace

Layer Flatten(NameOptions options) {
  return Layer(std::make_shared<FlattenLayer>(std::move(options)));
}

}  // namespace stoker
