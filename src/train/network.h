// A model's weights: those of its layers, and of the layers that these are made of, each with its
// place in the store, in the model's gradients and in its optimizer's slots.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "layers/layer.h"
#include "train/topology.h"

namespace stoker::train {

struct Weight {
  layers::LayerBase* layer;
  layers::WeightSpec spec;
  std::string path;  // "conv2d/kernel"
  // In the store: a segment of the parameters, or of the state when it is not trained.
  graph::Home home;
  // In the model's gradients, and in each slot of its optimizer; counts for parameters.
  std::int64_t gradient_offset;
  std::int64_t count;  // elements
  // Of the random numbers that it starts from. It depends on the path alone, so that adding a layer
  // elsewhere does not change where a weight starts.
  std::uint32_t stream;
};

class Network {
 public:
  // `compute_dtype` is the type of layers that have no policy of their own.
  explicit Network(std::shared_ptr<const Topology> topology, DType compute_dtype = DType::float32);
  Network(const std::vector<Value>& inputs, const std::vector<Value>& outputs,
          DType compute_dtype = DType::float32)
      : Network(std::make_shared<Topology>(inputs, outputs), compute_dtype) {}

  const Topology& topology() const { return *topology_; }
  const std::shared_ptr<const Topology>& shared_topology() const { return topology_; }

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

  // Layer by layer, trainable ones first within a layer, as Keras lists them.
  const std::vector<Weight>& weights() const { return weights_; }
  const Weight& weight(const layers::LayerBase& layer, const std::string& name) const;
  // All layers, with those that they are made of behind each, and their paths: "encoder/dense".
  struct PathOfLayer {
    const layers::LayerBase* layer;
    std::string path;
  };
  const std::vector<PathOfLayer>& layers() const { return layers_; }
  // For messages: Dense "encoder/dense".
  std::string label_of(const layers::LayerBase& layer) const;

  // Bytes of the model's own weights; gradients and each slot are as large as the parameters.
  std::int64_t parameter_bytes() const { return parameter_bytes_; }
  std::int64_t state_bytes() const { return state_bytes_; }

  // Takes the places that the layers' weights have in their store by now.
  void place();

 private:
  void add(const std::shared_ptr<layers::LayerBase>& layer, const std::string& path);

  std::shared_ptr<const Topology> topology_;
  DType compute_dtype_;
  std::vector<PathOfLayer> layers_;
  std::vector<Weight> weights_;
  std::int64_t parameter_bytes_ = 0;
  std::int64_t state_bytes_ = 0;
};

}  // namespace stoker::train
