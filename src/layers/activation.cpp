// Activation: an activation function as a layer.
#include "layers/layer.h"

namespace stoker {
namespace {

class ActivationLayer final : public layers::LayerBase {
 public:
  ActivationLayer(ActivationFunction activation, NameOptions options)
      : LayerBase("Activation", std::move(options.name), options.dtype),
        activation_(std::move(activation)) {}

  graph::Value build(layers::BuildContext&, graph::Value x) override {
    return layers::activate(x, activation_);
  }

 private:
  const ActivationFunction activation_;
};

}  // namespace

Layer Activation(ActivationFunction activation, NameOptions options) {
  return Layer(std::make_shared<ActivationLayer>(std::move(activation), std::move(options)));
}

}  // namespace stoker
