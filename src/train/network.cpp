#include "train/network.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "core/align.h"
#include "core/format.h"
#include "stoker/error.h"

namespace stoker::train {

namespace {

// FNV-1a: a stream that depends on the weight's path alone, so that adding a layer elsewhere does
// not change where a weight starts.
std::uint32_t stream_of(const std::string& path) {
  std::uint32_t hash = 2166136261U;
  for (const char c : path) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 16777619U;
  }
  return hash;
}

}  // namespace

std::string snake_case(const std::string& class_name) {
  std::string out;
  for (std::size_t i = 0; i < class_name.size(); ++i) {
    const auto at = [&](std::size_t k) {
      return k < class_name.size() ? static_cast<unsigned char>(class_name[k]) : 0;
    };
    const bool upper = std::isupper(at(i)) != 0;
    const bool starts_word = std::islower(at(i + 1)) != 0 && std::isupper(at(i)) != 0;
    const bool ends_word = i > 0 && std::islower(at(i - 1)) != 0;
    if (upper && i > 0 && (starts_word || ends_word)) out += '_';
    out += static_cast<char>(std::tolower(at(i)));
  }
  return out;
}

void name_layers(const std::vector<std::shared_ptr<layers::LayerBase>>& layers) {
  std::set<std::string> taken;
  for (const auto& layer : layers) {
    if (layer->name().empty()) continue;
    if (!taken.insert(layer->name()).second) {
      throw ValueError(format("two layers are named \"", layer->name(),
                              "\": names of a model's layers must differ"));
    }
  }
  std::map<std::string, int> next;
  for (const auto& layer : layers) {
    if (!layer->name().empty()) continue;
    const std::string base = snake_case(layer->class_name());
    std::string name;
    do {
      const int number = next[base]++;
      name = number == 0 ? base : format(base, "_", number);
    } while (!taken.insert(name).second);
    layer->set_name(name);
  }
}

Network::Network(const std::vector<Value>& inputs, const Value& output, DType compute_dtype)
    : compute_dtype_(compute_dtype) {
  for (const Value& input : inputs) {
    const auto& node = input.node();
    if (node == nullptr || !node->inputs.empty()) {
      throw ValueError("Model: expected inputs made by Input(), received another value");
    }
    inputs_.push_back(calls_.size());
    nodes_.push_back(node);
    calls_.push_back({node->layer, {}, node->shape});
  }
  if (output.node() == nullptr) throw ValueError("Model: the output is an empty Value");
  visit(output.node());
  name_layers();
  for (const Call& call : calls_) add_weights(call);
}

void Network::visit(const std::shared_ptr<const layers::ValueNode>& node) {
  if (std::find(nodes_.begin(), nodes_.end(), node) != nodes_.end()) return;
  if (node->inputs.empty()) {
    throw ValueError(format("Model: the output depends on ", node->layer->label(),
                            ", which is not among the inputs"));
  }
  std::vector<std::size_t> inputs;
  for (const auto& input : node->inputs) {
    visit(input);
    inputs.push_back(
        static_cast<std::size_t>(std::find(nodes_.begin(), nodes_.end(), input) - nodes_.begin()));
  }
  nodes_.push_back(node);
  calls_.push_back({node->layer, std::move(inputs), node->shape});
}

void Network::name_layers() {
  std::vector<std::shared_ptr<layers::LayerBase>> layers;
  for (const Call& call : calls_) {
    if (std::find(layers.begin(), layers.end(), call.layer) == layers.end()) {
      layers.push_back(call.layer);
    }
  }
  train::name_layers(layers);
}

void Network::add_weights(const Call& call) {
  if (call.inputs.empty()) return;
  std::vector<graph::ValueType> types;
  for (const std::size_t input : call.inputs) {
    types.push_back({nodes_[input]->dtype, calls_[input].shape});
  }
  std::vector<layers::WeightSpec> specs;
  layers::infer(*call.layer, types, &specs);
  const auto is_of_layer = [&](const Weight& weight) { return weight.layer == call.layer.get(); };
  if (std::any_of(weights_.begin(), weights_.end(), is_of_layer)) {
    require_same_weights(call, specs);
    return;
  }
  // Trainable ones first, as Keras lists them.
  std::stable_partition(specs.begin(), specs.end(),
                        [](const layers::WeightSpec& spec) { return spec.trainable; });
  for (auto& spec : specs) {
    std::int64_t& end = spec.trainable ? parameter_bytes_ : state_bytes_;
    const auto space = spec.trainable ? graph::Space::parameter : graph::Space::state;
    const std::int64_t count = spec.shape.elements();
    const std::string path = call.layer->name() + "/" + spec.name;
    weights_.push_back(
        {call.layer.get(), std::move(spec), path, {space, 0, end}, count, stream_of(path)});
    const std::int64_t bytes = count * static_cast<std::int64_t>(sizeof(float));
    end += aligned(bytes);
  }
}

// A layer that is called again uses the weights of its first call.
void Network::require_same_weights(const Call& call,
                                   const std::vector<layers::WeightSpec>& specs) const {
  for (const auto& spec : specs) {
    const Shape& first = weight(*call.layer, spec.name).spec.shape;
    if (spec.shape == first) continue;
    throw ShapeError(format(call.layer->label(), ": called again on an input for which its ",
                            spec.name, " would have to be ", spec.shape, "; it is ", first));
  }
}

const layers::InputLayer& Network::input(std::size_t i) const {
  return static_cast<const layers::InputLayer&>(*calls_[inputs_[i]].layer);
}

const Weight& Network::weight(const layers::LayerBase& layer, const std::string& name) const {
  for (const Weight& weight : weights_) {
    if (weight.layer == &layer && weight.spec.name == name) return weight;
  }
  throw Error(format(layer.label(), ": weight \"", name, "\" was not declared by the first build"));
}

}  // namespace stoker::train
