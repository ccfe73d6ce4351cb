// A model's structure: its layers, and their calls between inputs and outputs. It does not depend
// on a device, a seed or a dtype policy, so a model and the layer that it is in another model share
// one.
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
  std::vector<ValueRef> inputs;           // These are outputs of earlier calls. An Input has none.
  std::vector<layers::FlowType> outputs;  // The types with an unknown batch.
  layers::CallArguments arguments{};      // The values named there are the last inputs.
};

class Topology {
 public:
  // Sorts the calls between inputs and outputs, and names layers without a name. Throws ValueError
  // for an output that needs an input which is not listed, and for two layers of one name.
  Topology(const std::vector<Value>& inputs, const std::vector<Value>& outputs);

  // The calls in an order in which they can be built, inputs first.
  const std::vector<Call>& calls() const { return calls_; }
  // The calls of the Input layers.
  const std::vector<std::size_t>& inputs() const { return inputs_; }
  const std::vector<ValueRef>& outputs() const { return outputs_; }
  // Each layer once, in Keras's order: by the distance from the outputs, the farthest first.
  const std::vector<std::shared_ptr<layers::LayerBase>>& layers() const { return layers_; }

  const layers::InputLayer& input(std::size_t i) const;
  const layers::FlowType& output(std::size_t i) const;
  // Keras's names of the outputs: the names of their layers, numbered where one layer has several.
  const std::vector<std::string>& output_names() const { return output_names_; }
  // The layer's name in this model. It is the layer's own name, unless another model gave that name
  // and it is taken in this one.
  const std::string& name_of(const layers::LayerBase& layer) const;
  std::string label_of(const layers::LayerBase& layer) const {
    return layers::label_of(layer, name_of(layer));
  }

  // Appends the ops of all calls and returns the outputs.
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
  std::vector<std::string> names_;  // The names of layers_, in the same order.
  std::vector<std::string> output_names_;
};

using layers::snake_case;

// The names of the layers of one model. Layers without a name get one, in the order given: "dense",
// "dense_1", ... Throws ValueError where two layers were given the same name.
std::vector<std::string> name_layers(const std::vector<std::shared_ptr<layers::LayerBase>>& layers);

}  // namespace stoker::train
