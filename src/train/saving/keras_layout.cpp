#include "train/saving/keras_layout.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/format.h"
#include "train/network/model_layer.h"

namespace stoker::train {

namespace {

using layers::LayerBase;

bool is_input(const LayerBase& layer) {
  return dynamic_cast<const layers::InputLayer*>(&layer) != nullptr;
}

// Walks the layers as Keras's _save_state() does.
class Walk {
 public:
  explicit Walk(const Network& network) : network_(network) {
    for (std::size_t i = 0; i < network.weights().size(); ++i) {
      const Weight& weight = network.weights()[i];
      if (!weight.spec.is_kept_state) weights_[weight.layer].emplace_back(i);
    }
  }

  void add_layers(const Topology& topology, bool is_sequential, const std::string& path) {
    std::map<std::string, int> numbers;
    for (const auto& layer : topology.layers()) {
      if (is_sequential && is_input(*layer)) continue;
      const std::string base = snake_case(layer->class_name());
      const int number = numbers[base]++;
      add(*layer, topology.name_of(*layer),
          format(path, "layers/", base, number == 0 ? "" : format("_", number)));
    }
  }

  std::vector<KerasGroup> take() { return std::move(groups_); }

 private:
  void add(const LayerBase& layer, const std::string& name, const std::string& path) {
    if (!visited_.insert(&layer).second) return;
    KerasGroup& group = groups_.emplace_back(KerasGroup{path, name});
    if (const auto adopted = layer.adopted()) {
      for (const std::size_t i : weights_[adopted->layer]) {
        if (network_.weights()[i].spec.name == adopted->name) group.variables.emplace_back(i);
      }
    }
    if (const auto own = weights_.find(&layer); own != weights_.end()) {
      group.variables.insert(group.variables.end(), own->second.begin(), own->second.end());
    }
    if (const auto* model = dynamic_cast<const ModelLayer*>(&layer)) {
      return add_layers(model->topology(), model->is_sequential(), path + "/");
    }
    for (const layers::Child& child : layer.children()) {
      const std::string& attribute = child.attribute.empty() ? child.name : child.attribute;
      add(*child.layer, child.name, format(path, "/", attribute));
    }
  }

  const Network& network_;
  std::map<const LayerBase*, std::vector<std::size_t>> weights_;
  std::set<const LayerBase*> visited_;
  std::vector<KerasGroup> groups_;
};

// The weights of a layer and of its parts, also of those that another layer has too.
void collect(const Network& network, const LayerBase& layer, std::set<const LayerBase*>& visited,
             std::vector<std::size_t>& trained, std::vector<std::size_t>& others) {
  if (!visited.insert(&layer).second) return;
  for (std::size_t i = 0; i < network.weights().size(); ++i) {
    const Weight& weight = network.weights()[i];
    if (weight.layer != &layer || weight.spec.is_kept_state) continue;
    (weight.spec.trainable && layer.trainable() ? trained : others).push_back(i);
  }
  for (const layers::Child& child : layer.children()) {
    collect(network, *child.layer, visited, trained, others);
  }
}

}  // namespace

KerasModel keras_model(const Model::Impl& model) {
  return {model.network, model.is_sequential, model.name,
          model.compiled ? model.compiled->options.optimizer.base().get() : nullptr};
}

std::vector<KerasGroup> keras_groups(const KerasModel& model,
                                     const std::vector<SavedVariable>& variables) {
  Walk walk(model.network);
  walk.add_layers(model.network.topology(), model.is_sequential, "");
  std::vector<KerasGroup> groups = walk.take();
  groups.insert(groups.begin(), KerasGroup{"", model.name});
  if (model.optimizer == nullptr) return groups;
  KerasGroup own{"optimizer", model.optimizer->name()};
  KerasGroup inner{"optimizer/inner_optimizer", ""};
  // A LossScaleOptimizer has counters of its own that it never uses, and lists the variables of the
  // optimizer inside once more.
  const optimizers::OptimizerBase* wrapped = model.optimizer->inner();
  if (wrapped != nullptr) own.variables.assign(2, std::nullopt);
  for (std::size_t i = 0; i < variables.size(); ++i) {
    if (!variables[i].is_optimizers()) continue;
    own.variables.emplace_back(i);
    const bool is_own = variables[i].kind == VariableKind::step_counter ||
                        variables[i].kind == VariableKind::dynamic_scale;
    if (!is_own) inner.variables.emplace_back(i);
  }
  groups.push_back(std::move(own));
  if (wrapped != nullptr) {
    inner.name = wrapped->name();
    groups.push_back(std::move(inner));
  }
  // A MultiOptimizer lists the variables of its members once more too.
  const std::vector<const optimizers::OptimizerBase*> members = model.optimizer->members();
  std::map<std::string, int> numbers;
  for (std::size_t member = 0; member < members.size(); ++member) {
    const std::string base = snake_case(members[member]->class_name());
    const int number = numbers[base]++;
    KerasGroup group{format(wrapped != nullptr ? "optimizer/inner_optimizer" : "optimizer",
                            "/optimizers/", base, number == 0 ? "" : format("_", number)),
                     members[member]->name()};
    for (std::size_t i = 0; i < variables.size(); ++i) {
      if (variables[i].member == member) group.variables.emplace_back(i);
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

std::vector<KerasLayer> keras_layers(const KerasModel& model) {
  std::vector<KerasLayer> all;
  for (const auto& layer : model.network.topology().layers()) {
    std::set<const LayerBase*> visited;
    std::vector<std::size_t> others;
    KerasLayer& one = all.emplace_back(KerasLayer{model.network.topology().name_of(*layer), {}});
    collect(model.network, *layer, visited, one.variables, others);
    one.variables.insert(one.variables.end(), others.begin(), others.end());
    if (one.variables.empty()) all.pop_back();
  }
  return all;
}

}  // namespace stoker::train
