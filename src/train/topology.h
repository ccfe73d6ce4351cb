// A model's structure: its layers, and their calls between inputs and outputs. Nothing here depends
// on a device, a seed or a dtype policy, so that a model and the layer that it is in another model
// have one.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "layers/layer.h"
#include "stoker/layers.h"

namespace stoker::train {

// An output of a call.
struct ValueRef {
  std::size_t call = 0;
  std::size_t output = 0;
};

// One call of a layer.
struct Call {
  std::shared_ptr<layers::LayerBase> layer;
  std::vector<ValueRef> inputs;           // of earlier calls; none for an Input
  std::vector<layers::FlowType> outputs;  // batch unknown
};

class Topology {
 public:
  // Sorts what lies between inputs and outputs and names layers that have no name. Throws
  // ValueError for an output that needs an input which is not listed, and for two layers of one
  // name.
  Topology(const std::vector<Value>& inputs, const std::vector<Value>& outputs);

  // In an order in which they can be built; inputs come first.
  const std::vector<Call>& calls() const { return calls_; }
  const std::vector<std::size_t>& inputs() const { return inputs_; }  // calls of the Input layers
  const std::vector<ValueRef>& outputs() const { return outputs_; }
  // Each once, in Keras's order: by their distance from the outputs, the farthest first.
  const std::vector<std::shared_ptr<layers::LayerBase>>& layers() const { return layers_; }

  const layers::InputLayer& input(std::size_t i) const;
  const layers::FlowType& output(std::size_t i) const;
  // Keras's names of outputs: those of the layers that give them, made different where one gives
  // several.
  const std::vector<std::string>& output_names() const { return output_names_; }
  // The layer's name in this model. It is the layer's own, unless that was given to it by another
  // model and is taken in this one.
  const std::string& name_of(const layers::LayerBase& layer) const;
  std::string label_of(const layers::LayerBase& layer) const {
    return layers::label_of(layer, name_of(layer));
  }

  // Appends the ops of all calls; returns the outputs.
  std::vector<layers::MaskedValue> build(layers::BuildContext& context,
                                         std::span<const layers::MaskedValue> inputs) const;

 private:
  struct Sorting;

  void name_layers();
  void sort_layers(const Sorting& sorting);
  void name_outputs();

  std::vector<Call> calls_;
  // The order in which calls are built: their own, or Keras's where it decides what becomes of a
  // layer's state.
  std::vector<std::size_t> build_order_;
  std::vector<std::size_t> inputs_;
  std::vector<ValueRef> outputs_;
  std::vector<std::shared_ptr<layers::LayerBase>> layers_;
  std::vector<std::string> names_;  // of layers_
  std::vector<std::string> output_names_;
};

// Keras's default name of a layer of that class: "Conv2D" -> "conv2d", "MaxPooling2D" ->
// "max_pooling2d".
std::string snake_case(const std::string& class_name);

// The names of layers that stand in one model. Those that have none get one, in the order given:
// "dense", "dense_1", ... Throws ValueError where two were given the same.
std::vector<std::string> name_layers(const std::vector<std::shared_ptr<layers::LayerBase>>& layers);

}  // namespace stoker::train
