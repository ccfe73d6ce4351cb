// Reads a model from a Config.
#include <algorithm>
#include <map>
#include <set>

#include "core/fields.h"
#include "layers/fields.h"
#include "train/network/model_config.h"
#include "train/network/model_layer.h"
#include "train/network/stacked_layers.h"

namespace stoker {
namespace train {
namespace {

// These keys stand beside class and config, and nothing here depends on them.
constexpr std::initializer_list<const char*> kNotes{"module", "registered_name", "build_config",
                                                    "shared_object_id", "compile_config"};

// One entry of the config's "layers".
struct Entry {
  std::string place;  // For example: layers[2] (Dense "logits")
  std::string name;
  Layer layer;
  const Config* inbound_nodes;  // Set for a functional model.
};

std::string place_of(std::size_t index, const Config& config) {
  std::string place = format("layers[", index, "]");
  if (!config.is_map()) return place;
  const Config* class_name = config.find("class_name");
  const Config* own = config.find("config");
  if (class_name == nullptr || !class_name->is_string()) return place;
  place += " (" + class_name->string();
  const Config* name = own != nullptr && own->is_map() ? own->find("name") : nullptr;
  if (name != nullptr && name->is_string()) place += " \"" + name->string() + "\"";
  return place + ")";
}

bool is_model(const std::string& class_name) {
  return class_name == "Sequential" || class_name == "Functional" || class_name == "Model";
}
Layer nested_model(const ObjectView& object);

// A layer, a model that is one, or a model that is applied to each step of a sequence.
Layer layer_of(const ObjectView& object) {
  if (is_model(object.class_name)) return nested_model(object);
  const Config* inner =
      object.class_name == "TimeDistributed" ? object.config.find("layer") : nullptr;
  const bool wraps_model =
      inner != nullptr && inner->is_map() && is_model(object_of(*inner).class_name);
  if (!wraps_model) return layer_from_config(object.class_name, object.config);
  layers::LayerName name;
  layers::PolicyName dtype;
  if (const Config* given = object.config.find("name")) {
    name = FieldType<layers::LayerName>::read(*given);
  }
  if (const Config* given = object.config.find("dtype")) {
    dtype = FieldType<layers::PolicyName>::read(*given);
  }
  const Layer model = Fields::with_place("layer", [&] { return nested_model(object_of(*inner)); });
  Layer layer = TimeDistributed(model, {.name = name.text, .dtype = dtype.text});
  const Config* trainable = object.config.find("trainable");
  if (trainable != nullptr && !trainable->boolean()) layer.set_trainable(false);
  return layer;
}

Entry entry_of(std::size_t index, const Config& config) {
  const std::string place = place_of(index, config);
  return Fields::with_place(place, [&]() -> Entry {
    const ObjectView object = object_of(config);
    for (const auto& member : config.members()) {
      constexpr std::array<std::string_view, 4> kOwn{"class_name", "config", "name",
                                                     "inbound_nodes"};
      if (std::ranges::find(kOwn, member.first) != kOwn.end() ||
          std::ranges::find(kNotes, member.first) != kNotes.end()) {
        continue;
      }
      throw ValueError(
          format("there is no key \"", member.first, "\"", did_you_mean(member.first, kOwn)));
    }
    Layer layer = layer_of(object);
    const Config* name = config.find("name");
    return {place, name != nullptr && name->is_string() ? name->string() : layer.name(), layer,
            config.find("inbound_nodes")};
  });
}

// Whether an entry is an op of Keras's that computes a mask. Masks go beside values here.
bool computes_mask(const Config& config) {
  const Config* class_name = config.is_map() ? config.find("class_name") : nullptr;
  return class_name != nullptr &&
         (*class_name == Config("NotEqual") || *class_name == Config("Any"));
}

std::vector<Entry> entries_of(const Config& layers) {
  std::vector<Entry> entries;
  std::map<std::string, std::string> places;
  for (const Config& config : layers.list_items()) {
    if (computes_mask(config)) continue;
    Entry entry = entry_of(entries.size(), config);
    const auto [known, is_new] = places.try_emplace(entry.name, entry.place);
    if (!is_new && !entry.name.empty()) {
      throw ValueError(
          format(entry.place, ": expected a name of its own, received that of ", known->second));
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

bool is_input(const Layer& layer) { return layer.class_name() == "InputLayer"; }

// ---- Functional models -------------------------------------------------------------------------
// Keras's name for a value.
struct History {
  std::string layer;
  std::int64_t node = 0;
  std::int64_t tensor = 0;  // The index among the outputs of that call.
};

History history_of(const Config& config) {
  if (!config.is_list() || config.size() != 3 || !config.at(0).is_string()) {
    throw ValueError(format("expected [layer, node, tensor], received ", config.described()));
  }
  return {config.at(0).string(), config.at(1).integer(), config.at(2).integer()};
}

// Whether an argument by name is unset, that is null, false, or a list of nulls.
bool is_unset(const Config& value) {
  if (!value.is_list()) return value.is_null() || value == Config(false);
  return std::ranges::all_of(value.list_items(), [](const Config& item) { return item.is_null(); });
}

// Keras writes `training` into each call of these layers, which does not change what they compute.
bool ignores_training(const Layer& layer) {
  return layer.class_name() == "CenterCrop" || layer.class_name() == "Resizing";
}

// What a call takes: values, of which those that are passed by name come last, and options.
struct Arguments {
  std::vector<History> values{};
  layers::CallArguments rest{};
};

bool is_tensor(const Config& config) {
  const Config* name = config.is_map() ? config.find("class_name") : nullptr;
  return name != nullptr && *name == Config("__keras_tensor__");
}

History history_of_tensor(const Config& tensor) {
  if (!is_tensor(tensor)) {
    throw ValueError(format("expected a value of the model, received ", tensor.described()));
  }
  return history_of(object_of(tensor).config.at("keras_history"));
}

// One value, or a list of them.
void add_histories(const Config& tensors, std::vector<History>& histories) {
  if (!tensors.is_list()) {
    histories.push_back(history_of_tensor(tensors));
    return;
  }
  for (const Config& tensor : tensors.list_items()) {
    histories.push_back(history_of_tensor(tensor));
  }
}

// Adds what is passed under a name. A value that has a place among the layer's inputs is put there.
void add_named(const Layer& layer, const std::string& name, const Config& value,
               Arguments& arguments) {
  const char* others = layer.base()->argument_of_others;
  if (others != nullptr && name == others) return add_histories(value, arguments.values);
  if (is_tensor(value)) {
    const auto places = layer.base()->input_names();
    const auto place = std::ranges::find(places, name);
    if (place == places.end()) {
      arguments.rest.named.push_back(name);
      arguments.values.push_back(history_of_tensor(value));
      return;
    }
    const auto before = static_cast<std::size_t>(place - places.begin());
    const std::size_t placed = arguments.values.size() - arguments.rest.named.size();
    if (placed != before) {
      throw ValueError(format("expected the ", placed < before ? "inputs" : "input", " before \"",
                              name, "\" once, received ", placed, " of ", before));
    }
    arguments.values.insert(arguments.values.begin() + static_cast<std::ptrdiff_t>(before),
                            history_of_tensor(value));
    return;
  }
  const auto known = layer.base()->call_arguments();
  if (std::ranges::find(known, name) == known.end()) {
    throw ValueError(format("expected null, received ", value.described()));
  }
  if (value.is_list()) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (value.at(i).is_null()) continue;
      arguments.rest.named.push_back(format(name, "[", i, "]"));
      arguments.values.push_back(history_of_tensor(value.at(i)));
    }
  } else if (value == Config(true)) {
    arguments.rest.flags.push_back(name);
  } else {
    throw ValueError(
        format("expected true, false or a value of the model, received ", value.described()));
  }
}

Arguments arguments_of(const Layer& layer, const Config& node) {
  Arguments arguments;
  Fields::with_place("args", [&] {
    const Config& given = node.at("args");
    const bool is_one_list = given.size() == 1 && given.at(0).is_list();
    const bool takes_several =
        !layer.base()->input_names().empty() || layer.base()->argument_of_others != nullptr;
    if (!is_one_list && given.size() != 1 && !takes_several) {
      throw ValueError(
          format("expected one value or one list of them, received ", given.described()));
    }
    for (const Config& tensor : (is_one_list ? given.at(0) : given).list_items()) {
      if (tensor.is_null() && !layer.base()->input_names().empty()) continue;
      add_histories(tensor, arguments.values);
    }
  });
  // Inputs by name come first, in the order of their places.
  const Config::Map& by_name = node.at("kwargs").members();
  const auto add = [&](const std::string& name, const Config& value) {
    if (name == "training" && ignores_training(layer)) return;
    if (name == "training" && value.is_boolean()) {
      arguments.rest.training = value.boolean();
      return;
    }
    if (is_unset(value)) return;
    // The input of a layer that takes no mask by name has it beside it.
    const auto known = layer.base()->call_arguments();
    const bool takes_mask = std::ranges::find(known, "mask") != known.end();
    if (name == "mask" && layer.base()->supports_masking && !takes_mask) return;
    Fields::with_place("kwargs." + name, [&] { add_named(layer, name, value, arguments); });
  };
  const auto places = layer.base()->input_names();
  for (const std::string_view place : places) {
    const Config* value = node.at("kwargs").find(std::string(place));
    if (value != nullptr) add(std::string(place), *value);
  }
  for (const auto& [name, value] : by_name) {
    if (std::ranges::find(places, name) == places.end()) add(name, value);
  }
  return arguments;
}

class FunctionalReader {
 public:
  FunctionalReader(const std::vector<Entry>& entries, const Config& config)
      : entries_(entries), config_(config) {}

  std::vector<Value> inputs() {
    const Config& own = config_.at("input_layers");
    std::vector<Value> values;
    for (const Config& one : several(own, "input_layers")) {
      values.push_back(value(one, "input_layers"));
    }
    return values;
  }

  std::vector<Value> outputs() {
    std::vector<Value> values;
    for (const Config& one : several(config_.at("output_layers"), "output_layers")) {
      values.push_back(value(one, "output_layers"));
    }
    return values;
  }

  // Calls each layer once its arguments exist, because the file lists layers in any order.
  void call_all() {
    for (const Entry& entry : entries_) {
      if (entry.name.empty()) {
        throw ValueError(format(entry.place, ": expected a name, which others find it by"));
      }
      std::vector<std::vector<Value>>& made = made_[entry.name];
      if (is_input(entry.layer)) made.push_back({Value(layers::node_of_input(entry.layer.base()))});
    }
    std::size_t left = 0;
    for (;;) {
      std::size_t waiting = 0;
      for (const Entry& entry : entries_) {
        if (!is_input(entry.layer)) waiting += call_what_can_be(entry);
      }
      if (waiting == 0) return;
      if (waiting == left) throw_stuck();
      left = waiting;
    }
  }

 private:
  // Reads a list of histories. A single history may stand without a list.
  static std::vector<Config> several(const Config& config, const char* key) {
    return Fields::with_place(key, [&]() -> std::vector<Config> {
      const bool is_single = config.is_list() && config.size() == 3 && config.at(0).is_string();
      return is_single ? std::vector<Config>{config} : config.list_items();
    });
  }

  const Config::List& nodes_of(const Entry& entry) const {
    return Fields::with_place(entry.place + ".inbound_nodes", [&]() -> const Config::List& {
      static const Config kNone;
      return (entry.inbound_nodes == nullptr ? kNone : *entry.inbound_nodes).list_items();
    });
  }

  // Makes the calls whose arguments exist, and returns how many of the layer's calls are left.
  std::size_t call_what_can_be(const Entry& entry) {
    const Config::List& nodes = nodes_of(entry);
    std::vector<std::vector<Value>>& made = made_[entry.name];
    while (made.size() < nodes.size()) {
      const std::string place = format(entry.place, ".inbound_nodes[", made.size(), "]");
      const std::vector<Value> result = Fields::with_place(place, [&] {
        return try_call(entry.layer, arguments_of(entry.layer, nodes[made.size()]));
      });
      if (result.empty()) break;
      made.push_back(result);
    }
    return nodes.size() - made.size();
  }

  // Returns the outputs, or nothing where an argument does not exist yet.
  std::vector<Value> try_call(const Layer& layer, const Arguments& arguments) {
    std::vector<Value> values;
    for (const History& history : arguments.values) {
      require_known(history.layer);
      if (!is_call(history)) return {};
      values.push_back(value_of(history));
    }
    return layers::call(layer.base(), values, arguments.rest);
  }

  bool is_call(const History& history) const {
    const auto& made = made_.at(history.layer);
    return history.node >= 0 && history.node < static_cast<std::int64_t>(made.size());
  }

  bool is_functional(const std::string& name) const {
    return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
      return entry.name == name && entry.layer.class_name() == "Functional";
    });
  }

  // Requires that the call has been made.
  const Value& value_of(const History& history) const {
    const auto& outputs = made_.at(history.layer)[static_cast<std::size_t>(history.node)];
    if (history.tensor < 0 || history.tensor >= static_cast<std::int64_t>(outputs.size())) {
      throw ValueError(format("expected an output of \"", history.layer, "\" from 0 to ",
                              outputs.size() - 1, ", received ", history.tensor));
    }
    return outputs[static_cast<std::size_t>(history.tensor)];
  }

  void require_known(const std::string& name) const {
    if (made_.contains(name)) return;
    std::vector<std::string_view> known;
    for (const Entry& entry : entries_) known.push_back(entry.name);
    throw ValueError(format("expected the name of a layer of the model, received \"", name, "\"",
                            did_you_mean(name, known)));
  }

  Value value(const Config& config, const char* key) {
    return Fields::with_place(key, [&]() -> Value {
      History history = history_of(config);
      require_known(history.layer);
      // Among a model's inputs and outputs, Keras counts the calls of a functional model from 1;
      // among the arguments of calls it counts from 0.
      const std::int64_t first = is_functional(history.layer) ? 1 : 0;
      history.node -= first;
      if (!is_call(history)) {
        const auto calls = static_cast<std::int64_t>(made_.at(history.layer).size());
        throw ValueError(format("expected a call of \"", history.layer, "\" from ", first, " to ",
                                first + calls - 1, ", received ", first + history.node));
      }
      return value_of(history);
    });
  }

  [[noreturn]] void throw_stuck() {
    for (const Entry& entry : entries_) {
      if (is_input(entry.layer) || made_[entry.name].size() == nodes_of(entry).size()) continue;
      const History first =
          arguments_of(entry.layer, nodes_of(entry)[made_[entry.name].size()]).values.at(0);
      throw ValueError(format(entry.place, ": expected inputs that are made before it, received ",
                              "call ", first.node, " of \"", first.layer,
                              "\", which is not made at all or needs this one"));
    }
    throw ValueError("layers: expected calls that can be put in an order");
  }

  const std::vector<Entry>& entries_;
  const Config& config_;
  // The outputs of each call, by layer.
  std::map<std::string, std::vector<std::vector<Value>>> made_;
};

void add_policies(const layers::LayerBase& layer, std::vector<layers::DTypePolicy>& policies) {
  const std::vector<layers::Child> children = layer.children();
  if (layer.class_name() == "InputLayer") return;
  if (children.empty()) policies.push_back(layer.policy().value_or(layers::DTypePolicy{}));
  for (const layers::Child& child : children) add_policies(*child.layer, policies);
}

// The policy that all layers have in common, which becomes the model's; float32 where they differ.
std::string common_policy(const std::vector<Entry>& entries) {
  std::vector<layers::DTypePolicy> policies;
  for (const Entry& entry : entries) add_policies(*entry.layer.base(), policies);
  std::optional<layers::DTypePolicy> common;
  for (const layers::DTypePolicy& own : policies) {
    if (common && *common != own) return "float32";
    common = own;
  }
  return layers::name_of(common.value_or(layers::DTypePolicy{}));
}

struct SequentialFields {
  std::string name;
  bool trainable = true;
  layers::PolicyName dtype{"float32"};
  Config layers = Config::list();
  std::optional<Shape> build_input_shape{};
};
void describe(Fields& fields, SequentialFields& own) {
  fields.required("name", own.name);
  fields("trainable", own.trainable);
  fields("dtype", own.dtype);
  fields.required("layers", own.layers);
  fields("build_input_shape", own.build_input_shape);
}

struct FunctionalFields {
  std::string name;
  bool trainable = true;
  Config layers = Config::list();
  Config input_layers;
  Config output_layers;
};
void describe(Fields& fields, FunctionalFields& own) {
  fields.required("name", own.name);
  fields("trainable", own.trainable);
  fields.required("layers", own.layers);
  fields.required("input_layers", own.input_layers);
  fields.required("output_layers", own.output_layers);
  fields.ignored({"dtype"});  // This is ignored because each layer has its own.
}

void freeze_all(const std::vector<Entry>& entries) {
  for (Entry entry : entries) entry.layer.set_trainable(false);
}

void read_sequential(const Config& config, ModelParts& parts) {
  const auto own = Fields::reading(config, "config").all<SequentialFields>();
  const std::vector<Entry> entries = entries_of(own.layers);
  if (!own.trainable) freeze_all(entries);
  for (const Entry& entry : entries) parts.layers.push_back(entry.layer);
  // A Sequential of Keras may have been built by its first batch, and then has no Input.
  const bool begins = !parts.layers.empty() && is_input(parts.layers[0]);
  if (!begins && own.build_input_shape && own.build_input_shape->rank() > 0) {
    parts.layers.insert(parts.layers.begin(), Input(own.build_input_shape->without_batch()));
  }
  parts.options.name = parts.options.name.empty() ? own.name : parts.options.name;
  if (!own.dtype.text.empty()) parts.options.dtype_policy = own.dtype.text;
}

void read_functional(const Config& config, ModelParts& parts) {
  const auto own = Fields::reading(config, "config").all<FunctionalFields>();
  const std::vector<Entry> entries = entries_of(own.layers);
  if (!own.trainable) freeze_all(entries);
  FunctionalReader reader(entries, config);
  reader.call_all();
  parts.inputs = reader.inputs();
  parts.outputs = reader.outputs();
  parts.options.name = parts.options.name.empty() ? own.name : parts.options.name;
  parts.options.dtype_policy = common_policy(entries);
}

// Reads a model that is a layer of another one.
Layer nested_model(const ObjectView& object) {
  ModelParts parts;
  std::shared_ptr<const Topology> topology;
  if (object.class_name == "Sequential") {
    read_sequential(object.config, parts);
    const StackedLayers stacked(parts.layers);
    topology =
        std::make_shared<Topology>(std::vector{stacked.input()}, std::vector{stacked.output()});
  } else {
    read_functional(object.config, parts);
    topology = std::make_shared<Topology>(parts.inputs, parts.outputs);
  }
  const char* class_name = object.class_name == "Sequential" ? "Sequential" : "Functional";
  return Layer(std::make_shared<ModelLayer>(class_name, parts.options.name, topology));
}

}  // namespace

ModelParts model_parts(const Config& config, ModelOptions options, bool compile) {
  ModelParts parts;
  parts.options = std::move(options);
  const ObjectView object = object_of(config);
  parts.is_sequential = object.class_name == "Sequential";
  if (parts.is_sequential) {
    read_sequential(object.config, parts);
  } else if (object.class_name == "Functional" || object.class_name == "Model") {
    read_functional(object.config, parts);
  } else {
    throw ValueError(
        format("expected a Sequential or a Functional model, received a ", object.class_name));
  }
  const Config* compiled = config.find("compile_config");
  const bool is_compiled =
      compiled != nullptr && !compiled->is_null() && !(*compiled == Config::map());
  if (compile && is_compiled) {
    parts.compile_options = Fields::reading(*compiled, "compile_config").all<CompileOptions>();
  }
  return parts;
}

}  // namespace train
}  // namespace stoker
