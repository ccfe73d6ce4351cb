#include "train/network/topology.h"

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::train {

using layers::CallNode;
using layers::LayerBase;
using layers::MaskedValue;

std::vector<std::string> name_layers(const std::vector<std::shared_ptr<LayerBase>>& layers) {
  std::set<std::string> taken;
  for (const auto& layer : layers) {
    if (layer->name().empty() || layer->has_default_name()) continue;
    if (!taken.insert(layer->name()).second) {
      throw ValueError(format("two layers are named \"", layer->name(),
                              "\": names of a model's layers must differ"));
    }
  }
  std::map<std::string, int> next;
  const auto fresh_name = [&](const LayerBase& layer) {
    const std::string base = snake_case(layer.class_name());
    std::string name;
    do {
      const int number = next[base]++;
      name = number == 0 ? base : format(base, "_", number);
    } while (!taken.insert(name).second);
    return name;
  };
  std::vector<std::string> names(layers.size());
  // A name that another model gave is kept unless it is taken in this one.
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string& name = layers[i]->name();
    if (!name.empty() && (!layers[i]->has_default_name() || taken.insert(name).second)) {
      names[i] = name;
    }
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (!names[i].empty()) continue;
    names[i] = fresh_name(*layers[i]);
    if (layers[i]->name().empty()) layers[i]->set_default_name(names[i]);
  }
  return names;
}

// ---- Sorting -----------------------------------------------------------------------------------
namespace {

bool has_state(const LayerBase& layer) {
  return std::ranges::any_of(layer.weights(), [](const auto& spec) { return !spec.trainable; }) ||
         std::ranges::any_of(layer.children(),
                             [](const auto& child) { return has_state(*child.layer); });
}

// Whether a layer that moves its state, as BatchNormalization does, is called more than once.
bool has_state_that_calls_share(const std::vector<Call>& calls) {
  std::map<const LayerBase*, int> counts;
  for (const Call& call : calls) ++counts[call.layer.get()];
  return std::ranges::any_of(
      counts, [](const auto& entry) { return entry.second > 1 && has_state(*entry.first); });
}

}  // namespace

// The state of the walk from the outputs to the inputs.
struct Topology::Sorting {
  std::map<const CallNode*, std::size_t> index;  // The index of each call.
  // The order in which the walk came to the layers first.
  std::map<const LayerBase*, std::int64_t> arrival;

  void visit(const std::shared_ptr<const CallNode>& node, std::vector<Call>& calls) {
    arrival.try_emplace(node->layer.get(), static_cast<std::int64_t>(arrival.size()));
    if (index.contains(node.get())) return;
    if (node->inputs.empty()) {
      throw ValueError(format("Model: the output depends on ", node->layer->label(),
                              ", which is not among the inputs"));
    }
    std::vector<ValueRef> inputs;
    for (const auto& input : node->inputs) {
      visit(input->call, calls);
      inputs.push_back({index.at(input->call.get()), input->output});
    }
    index[node.get()] = calls.size();
    calls.push_back({node->layer, std::move(inputs), node->outputs, node->arguments});
  }
};

Topology::Topology(const std::vector<Value>& inputs, const std::vector<Value>& outputs) {
  if (inputs.empty()) throw ValueError("Model: expected one input or more, received none");
  if (outputs.empty()) throw ValueError("Model: expected one output or more, received none");
  Sorting sorting;
  for (const Value& input : inputs) {
    const auto& node = input.node();
    if (node == nullptr || !node->call->inputs.empty()) {
      throw ValueError("Model: expected inputs made by Input(), received another value");
    }
    if (!sorting.index.try_emplace(node->call.get(), calls_.size()).second) {
      throw ValueError(
          format("Model: ", node->call->layer->label(), " stands twice among the inputs"));
    }
    inputs_.push_back(calls_.size());
    calls_.push_back({node->call->layer, {}, node->call->outputs, {}});
  }
  for (const Value& output : outputs) {
    if (output.node() == nullptr) throw ValueError("Model: the output is an empty Value");
    sorting.visit(output.node()->call, calls_);
    outputs_.push_back({sorting.index.at(output.node()->call.get()), output.node()->output});
  }
  for (const Call& call : calls_) {
    if (std::find(layers_.begin(), layers_.end(), call.layer) == layers_.end()) {
      layers_.push_back(call.layer);
    }
  }
  names_ = train::name_layers(layers_);
  build_order_.resize(calls_.size());
  std::iota(build_order_.begin(), build_order_.end(), 0);
  sort_layers(sorting);
  name_outputs();
}

// Sorts as Keras's Function does: the depth of a layer is the longest path from its calls to an
// output, and layers of one depth are in the order of the walk.
void Topology::sort_layers(const Sorting& sorting) {
  std::vector<std::optional<std::int64_t>> depth_of_call(calls_.size());
  std::map<const LayerBase*, std::int64_t> depth_of_layer;
  std::vector<std::size_t> met;  // calls, as the way back from the outputs first comes to them
  const auto meet = [&](std::size_t call, std::int64_t depth) {
    if (!depth_of_call[call]) met.push_back(call);
    depth_of_call[call] = std::max(depth_of_call[call].value_or(0), depth);
  };
  for (std::size_t i = calls_.size(); i-- > 0;) {
    std::int64_t& of_layer = depth_of_layer[calls_[i].layer.get()];
    meet(i, of_layer);
    of_layer = *depth_of_call[i];
    for (const ValueRef& input : calls_[i].inputs) meet(input.call, of_layer + 1);
  }
  if (has_state_that_calls_share(calls_)) {
    std::ranges::stable_sort(met, std::greater(),
                             [&](std::size_t call) { return *depth_of_call[call]; });
    build_order_ = met;
  }
  const auto arrival_of = [&](const LayerBase* layer) {
    const auto found = sorting.arrival.find(layer);
    // This is an input that no call reads.
    return found == sorting.arrival.end() ? -1 : found->second;
  };
  std::vector<std::size_t> order(layers_.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const LayerBase* first = layers_[a].get();
    const LayerBase* second = layers_[b].get();
    const std::int64_t deeper = depth_of_layer[first] - depth_of_layer[second];
    return deeper != 0 ? deeper > 0 : arrival_of(first) < arrival_of(second);
  });
  const auto layers = layers_;
  const auto names = names_;
  for (std::size_t i = 0; i < order.size(); ++i) {
    layers_[i] = layers[order[i]];
    names_[i] = names[order[i]];
  }
}

void Topology::name_outputs() {
  for (const ValueRef& output : outputs_) {
    const std::string& base = name_of(*calls_[output.call].layer);
    std::string name = base;
    for (int number = 1;
         std::find(output_names_.begin(), output_names_.end(), name) != output_names_.end();
         ++number) {
      name = format(base, "_", number);
    }
    output_names_.push_back(std::move(name));
  }
}

const layers::InputLayer& Topology::input(std::size_t i) const {
  return static_cast<const layers::InputLayer&>(*calls_[inputs_[i]].layer);
}

const layers::FlowType& Topology::output(std::size_t i) const {
  return calls_[outputs_[i].call].outputs[outputs_[i].output];
}

const std::string& Topology::name_of(const LayerBase& layer) const {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (layers_[i].get() == &layer) return names_[i];
  }
  return layer.name();
}

std::vector<MaskedValue> Topology::build(layers::BuildContext& context,
                                         std::span<const MaskedValue> inputs) const {
  std::vector<std::vector<MaskedValue>> values(calls_.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) values[inputs_[i]] = {inputs[i]};
  for (const std::size_t i : build_order_) {
    const Call& call = calls_[i];
    if (call.inputs.empty()) continue;
    std::vector<MaskedValue> arguments;
    for (const ValueRef& input : call.inputs) {
      arguments.push_back(values[input.call][input.output]);
    }
    values[i] = context.call(*call.layer, arguments, static_cast<std::uint32_t>(i), call.arguments);
  }
  std::vector<MaskedValue> results;
  for (const ValueRef& output : outputs_) results.push_back(values[output.call][output.output]);
  return results;
}

}  // namespace stoker::train
