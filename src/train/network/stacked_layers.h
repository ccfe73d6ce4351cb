// The layers of a Sequential, each on top of the one before.
#pragma once

#include <memory>
#include <vector>

#include "layers/layer.h"
#include "stoker/layers.h"

namespace stoker::train {

class StackedLayers {
 public:
  StackedLayers() = default;
  // Names layers that have none before it calls any of them, so that an error of shapes can name
  // the layer. Throws as add() does.
  explicit StackedLayers(const std::vector<Layer>& layers);

  // Calls the layer on the output of the last one. Throws ShapeError where the layer does not fit,
  // and ValueError where the first layer is no Input, for a layer with several outputs, and for a
  // name that another layer has. The stack is unchanged after an error.
  void add(const Layer& layer);

  bool empty() const { return layers_.empty(); }
  const Value& input() const { return input_; }
  const Value& output() const { return output_; }

 private:
  std::vector<std::shared_ptr<layers::LayerBase>> layers_;  // Each layer once.
  Value input_, output_;
};

}  // namespace stoker::train
