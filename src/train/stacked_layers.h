// The layers of a Sequential, one on top of the other.
#pragma once

#include <memory>
#include <vector>

#include "layers/layer.h"
#include "stoker/layers.h"

namespace stoker::train {

class StackedLayers {
 public:
  StackedLayers() = default;
  // Names layers that have none before it calls any, so that one that does not fit is called by its
  // name. Throws as add().
  explicit StackedLayers(const std::vector<Layer>& layers);

  // Calls the layer on what the last one gives. Throws ShapeError where that does not fit,
  // ValueError where the first is no Input, for a layer of several outputs, and for a name that
  // another layer has; the stack is then what it was.
  void add(const Layer& layer);

  bool empty() const { return layers_.empty(); }
  const Value& input() const { return input_; }
  const Value& output() const { return output_; }

 private:
  std::vector<std::shared_ptr<layers::LayerBase>> layers_;  // each once
  Value input_, output_;
};

}  // namespace stoker::train
