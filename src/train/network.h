// A model's structure: its layers' calls in order, and all weights with their places in the flat
// buffers (the segment table).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "layers/layer.h"
#include "stoker/layers.h"

namespace stoker::train {

// One weight: a segment of the parameter buffer, or of the state buffer when it is not trained.
struct Weight {
  const layers::LayerBase* layer;
  layers::WeightSpec spec;
  std::string path;      // "conv2d/kernel"
  graph::Home home;      // space, byte offset
  std::int64_t count;    // elements
  std::uint32_t stream;  // of the random numbers it starts from
};

// One call of a layer.
struct Call {
  std::shared_ptr<layers::LayerBase> layer;
  std::vector<std::size_t> inputs;  // earlier calls
  Shape shape;                      // of the output, batch unknown
};

class Network {
 public:
  // Sorts what lies between inputs and output, names layers that have no name, and collects the
  // weights. Throws ValueError for an output that needs an input which is not listed, or for two
  // layers of one name. `compute_dtype` is the type of layers that have no policy of their own.
  Network(const std::vector<Value>& inputs, const Value& output,
          DType compute_dtype = DType::float32);

  DType compute_dtype(const layers::LayerBase& layer) const {
    return layer.compute_dtype().value_or(compute_dtype_);
  }
  // The 16-bit type of which there are copies of the parameters: the model's own. Layers of another
  // convert theirs in every step.
  std::optional<DType> copy_dtype() const {
    return is_16bit(compute_dtype_) ? std::optional(compute_dtype_) : std::nullopt;
  }
  static graph::Home copy_home(const Weight& weight) {
    return {graph::Space::copy, 0, weight.home.offset / 2};
  }

  const std::vector<Call>& calls() const { return calls_; }
  const std::vector<std::size_t>& inputs() const { return inputs_; }  // calls of the Input layers
  const layers::InputLayer& input(std::size_t i) const;
  const Call& output() const { return calls_.back(); }

  const std::vector<Weight>& weights() const { return weights_; }
  const Weight& weight(const layers::LayerBase& layer, const std::string& name) const;
  std::int64_t parameter_bytes() const { return parameter_bytes_; }
  std::int64_t state_bytes() const { return state_bytes_; }

 private:
  void visit(const std::shared_ptr<const layers::ValueNode>& node);
  void add_weights(const Call& call);
  void require_same_weights(const Call& call, const std::vector<layers::WeightSpec>& specs) const;
  void name_layers();

  DType compute_dtype_;
  std::vector<Call> calls_;
  std::vector<std::shared_ptr<const layers::ValueNode>> nodes_;  // of each call
  std::vector<std::size_t> inputs_;
  std::vector<Weight> weights_;
  std::int64_t parameter_bytes_ = 0;
  std::int64_t state_bytes_ = 0;
};

// Keras's default name of a layer of that class: "Conv2D" -> "conv2d", "MaxPooling2D" ->
// "max_pooling2d".
std::string snake_case(const std::string& class_name);

// Names layers that have none in the order given: "dense", "dense_1", ...
void name_layers(const std::vector<std::shared_ptr<layers::LayerBase>>& layers);

}  // namespace stoker::train
