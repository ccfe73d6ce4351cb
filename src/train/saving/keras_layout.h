// Where Keras's files keep the variables of a model. Keras walks a model by its attributes: a group
// for each layer, named by its class and numbered, the parts of a layer below it, and its variables
// in "vars", numbered. The older whole-model files name layers and list their weights.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "layers/layer.h"
#include "train/network/network.h"
#include "train/saving/variables.h"

namespace stoker::train {

// A group of a .weights.h5 file.
struct KerasGroup {
  std::string path;  // "layers/sequential/layers/dense"; empty for the model itself
  std::string name;  // The name of the layer, which stands beside it as an attribute.
  // The indices of the variables in the list, in the order of their numbers. An empty one stands
  // for a counter that Keras keeps, and that is always 0.
  std::vector<std::optional<std::size_t>> variables{};

  bool is_optimizers() const { return path == "optimizer" || path.starts_with("optimizer/"); }
  std::string vars() const { return path.empty() ? "vars" : path + "/vars"; }
};

// The structure of a model beside its weights, as far as files depend on it.
struct KerasModel {
  const Network& network;
  bool is_sequential = false;
  std::string name{};
  const optimizers::OptimizerBase* optimizer = nullptr;  // Null for a model without one.
};
KerasModel keras_model(const Model::Impl& model);

// The groups of a .weights.h5 file. Variables that two layers share stand in the first one.
std::vector<KerasGroup> keras_groups(const KerasModel& model,
                                     const std::vector<SavedVariable>& variables);

// A layer of an older whole-model file.
struct KerasLayer {
  std::string name;
  std::vector<std::size_t> variables;  // the trained ones first
};
// The layers of the model itself, without those that have no weights.
std::vector<KerasLayer> keras_layers(const KerasModel& model);

}  // namespace stoker::train
