// A model's weights: those of its layers and of the parts of these, each with its place in the
// store, in the model's gradients and in its optimizer's slots.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "layers/layer.h"
#include "optimizers/updated_weight.h"
#include "train/network/topology.h"

namespace stoker::train {

struct Weight {
  layers::LayerBase* layer;
  layers::WeightSpec spec;
  std::string path;  // "conv2d/kernel"
  // The place in the store: a segment of the parameters, or of the state when the weight is not
  // trained.
  graph::Home home;
  // The place in the model's gradients, and in each slot of its optimizer. It counts for parameters
  // only.
  std::int64_t gradient_offset;
  std::int64_t count;  // elements
  DType dtype;         // Its values are rounded to this type, but lie in memory as float32.
  // The stream of the random numbers for its first values. It depends on the path alone, so that
  // adding a layer elsewhere does not change these values.
  std::uint32_t stream;
};

class Network {
 public:
  // `policy` is that of layers without one of their own.
  explicit Network(std::shared_ptr<const Topology> topology, layers::DTypePolicy policy = {});
  Network(const std::vector<Value>& inputs, const std::vector<Value>& outputs,
          layers::DTypePolicy policy = {})
      : Network(std::make_shared<Topology>(inputs, outputs), policy) {}

  const Topology& topology() const { return *topology_; }
  const std::shared_ptr<const Topology>& shared_topology() const { return topology_; }

  DType compute_dtype(const layers::LayerBase& layer) const {
    return layer.policy().value_or(policy_).compute;
  }
  // The 16-bit type in which the parameters have copies, which is the model's own. Layers of
  // another 16-bit type convert their weights in every step.
  std::optional<DType> copy_dtype() const {
    return is_16bit(policy_.compute) ? std::optional(policy_.compute) : std::nullopt;
  }
  const layers::DTypePolicy& policy() const { return policy_; }
  static graph::Home copy_home(const Weight& weight) {
    return {graph::Space::copy, 0, weight.home.offset / 2};
  }

  // The model's name, by which optimizers may know weights.
  void set_model_name(std::string name) { model_name_ = std::move(name); }
  // A weight as optimizers see it.
  optimizers::UpdatedWeight updated(const Weight& weight) const {
    return {weight.path, model_name_, weight.spec.shape};
  }

  // The weights layer by layer, trainable ones first within a layer, as Keras lists them.
  const std::vector<Weight>& weights() const { return weights_; }
  const Weight& weight(const layers::LayerBase& layer, const std::string& name) const;
  // All layers, each followed by its parts, with their paths: "encoder/dense".
  struct PathOfLayer {
    const layers::LayerBase* layer;
    std::string path;
  };
  const std::vector<PathOfLayer>& layers() const { return layers_; }
  // The label for messages: Dense "encoder/dense".
  std::string label_of(const layers::LayerBase& layer) const;

  // The bytes of the model's own weights. Gradients and each slot are as large as the parameters.
  std::int64_t parameter_bytes() const { return parameter_bytes_; }
  std::int64_t state_bytes() const { return state_bytes_; }

  // Takes over the present places of the layers' weights in their store.
  void place();

 private:
  void add(const std::shared_ptr<layers::LayerBase>& layer, const std::string& path);

  std::shared_ptr<const Topology> topology_;
  std::string model_name_;
  layers::DTypePolicy policy_;
  std::vector<PathOfLayer> layers_;
  std::vector<Weight> weights_;
  std::int64_t parameter_bytes_ = 0;
  std::int64_t state_bytes_ = 0;
};

}  // namespace stoker::train
