#include "train/network/stacked_layers.h"

#include <algorithm>

#include "stoker/error.h"
#include "train/network/topology.h"

namespace stoker::train {

namespace {

bool is_input(const Layer& layer) {
  layer.name();  // throws where the layer was moved from
  return dynamic_cast<const layers::InputLayer*>(layer.base().get()) != nullptr;
}

[[noreturn]] void throw_no_input() {
  throw ValueError(
      "Sequential: expected Input(shape) as the first layer, so that shapes are "
      "checked while the model is built");
}

}  // namespace

StackedLayers::StackedLayers(const std::vector<Layer>& layers) {
  if (layers.empty() || !is_input(layers[0])) throw_no_input();
  std::vector<std::shared_ptr<layers::LayerBase>> all;
  for (const Layer& layer : layers) {
    layer.name();  // throws where the layer was moved from
    if (std::find(all.begin(), all.end(), layer.base()) == all.end()) all.push_back(layer.base());
  }
  name_layers(all);
  for (const Layer& layer : layers) add(layer);
}

void StackedLayers::add(const Layer& layer) {
  if (layers_.empty()) {
    if (!is_input(layer)) throw_no_input();
    input_ = output_ = Value(layers::node_of_input(layer.base()));
    layers_.push_back(layer.base());
    name_layers(layers_);
    return;
  }
  layer.name();  // throws where the layer was moved from
  auto layers = layers_;
  if (std::find(layers.begin(), layers.end(), layer.base()) == layers.end()) {
    layers.push_back(layer.base());
  }
  name_layers(layers);
  output_ = layer(output_);
  layers_ = std::move(layers);
}

}  // namespace stoker::train
