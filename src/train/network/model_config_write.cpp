// Writes a model as a Config.
#include <algorithm>

#include "core/fields.h"
#include "layers/dtype_policy.h"
#include "layers/fields.h"
#include "losses/loss.h"
#include "metrics/metric.h"
#include "optimizers/optimizer.h"
#include "train/model_impl.h"
#include "train/network/model_config.h"
#include "train/network/model_layer.h"

namespace stoker {

void describe(Fields& fields, CompileOptions& options) {
  fields.required("optimizer", options.optimizer);
  fields("loss", options.loss);
  fields("loss_weights", options.loss_weights);
  fields("metrics", options.metrics);
  fields("weighted_metrics", options.weighted_metrics);
  fields("run_eagerly", options.run_eagerly);
  // These fields say how Keras runs a step. They do not change what it computes.
  fields.note("steps_per_execution", 1);
  fields.note("jit_compile", false);
  fields.ignored({"auto_scale_loss"});
}

}  // namespace stoker

namespace stoker::train {
namespace {

// Writes a shape with its batch, which is null.
Config shape_config(const Shape& shape) {
  Config extents = Config::list();
  for (const std::int64_t extent : shape) {
    extents.append(extent < 0 ? Config() : Config(extent));
  }
  return extents;
}

Config policy_config(const std::string& policy) {
  return FieldType<layers::PolicyName>::write({policy});
}

// Writes the configuration of a model, or of a model that is a layer. Layers without a dtype policy
// of their own get the model's, because Keras keeps one for each layer.
class Writer {
 public:
  Writer(const Topology& topology, std::string name, std::string policy)
      : topology_(topology),
        calls_(topology.calls()),
        name_(std::move(name)),
        policy_(std::move(policy)) {}

  Config sequential() const {
    Config layers = Config::list();
    for (const Call& call : calls_) layers.append(of_layer(*call.layer));
    return Config::map({{"name", name_},
                        {"trainable", true},
                        {"dtype", policy_config(policy_)},
                        {"layers", std::move(layers)},
                        {"build_input_shape", shape_config(calls_[0].outputs[0].value.shape)}});
  }

  Config functional() const {
    Config layers = Config::list();
    for (const auto& layer : topology_.layers()) {
      Config config = of_layer(*layer);
      config.set("name", topology_.name_of(*layer)).set("inbound_nodes", inbound_nodes(*layer));
      layers.append(std::move(config));
    }
    Config inputs = Config::list();
    for (const std::size_t input : topology_.inputs()) inputs.append(history({input, 0}));
    Config outputs = Config::list();
    for (const ValueRef& output : topology_.outputs()) outputs.append(history_of_output(output));
    return Config::map({{"name", name_},
                        {"trainable", true},
                        {"layers", std::move(layers)},
                        {"input_layers", only_or_all(std::move(inputs))},
                        {"output_layers", only_or_all(std::move(outputs))}});
  }

 private:
  static Config only_or_all(Config list) {
    return list.size() == 1 ? Config(list.at(0)) : std::move(list);
  }

  Config of_layer(const layers::LayerBase& layer) const {
    return layer_config(layer, topology_.name_of(layer), policy_);
  }

  // Keras's name for a value: its layer, the number of the call, and the number of the call's
  // output.
  Config history(const ValueRef& value) const {
    const auto& layer = calls_[value.call].layer;
    const auto index =
        std::count_if(calls_.begin(), calls_.begin() + static_cast<std::ptrdiff_t>(value.call),
                      [&](const Call& earlier) { return earlier.layer == layer; });
    return Config::list({topology_.name_of(*layer), static_cast<std::int64_t>(index),
                         static_cast<std::int64_t>(value.output)});
  }
  // Among a model's outputs, Keras counts the calls of a functional model from 1.
  Config history_of_output(const ValueRef& value) const {
    const Config of_value = history(value);
    const auto* model = dynamic_cast<const ModelLayer*>(calls_[value.call].layer.get());
    const std::int64_t first = model != nullptr && !model->is_sequential() ? 1 : 0;
    return Config::list({of_value.at(0), of_value.at(1).integer() + first, of_value.at(2)});
  }
  std::string dtype(const ValueRef& value) const {
    const layers::LayerBase& layer = *calls_[value.call].layer;
    if (const auto* input = dynamic_cast<const layers::InputLayer*>(&layer)) {
      return std::string(name_of(input->dtype));
    }
    const DType dtype = layer.policy().value_or(layers::policy_of(policy_, "Model")).compute;
    return std::string(name_of(dtype));
  }
  Config tensor(const ValueRef& value) const {
    const Shape& shape = calls_[value.call].outputs[value.output].value.shape;
    return Config::map({{"class_name", "__keras_tensor__"},
                        {"config", Config::map({{"shape", shape_config(shape)},
                                                {"dtype", dtype(value)},
                                                {"keras_history", history(value)}})}});
  }
  // What a call passes by name: values, lists of them ("mask[1]" is the second), and options.
  Config named_arguments(const Call& call) const {
    Config arguments = Config::map();
    const std::vector<std::string>& named = call.arguments.named;
    for (std::size_t i = 0; i < named.size(); ++i) {
      const Config value = tensor(call.inputs[call.inputs.size() - named.size() + i]);
      const std::size_t bracket = named[i].find('[');
      const std::string name = named[i].substr(0, bracket);
      if (bracket == std::string::npos) {
        arguments.set(name, value);
        continue;
      }
      const std::size_t place = std::stoul(named[i].substr(bracket + 1));
      const Config* given = arguments.find(name);
      Config list = given != nullptr ? *given : Config::list();
      while (list.size() < place) list.append(Config());
      list.append(value);
      arguments.set(name, std::move(list));
    }
    for (const std::string& flag : call.arguments.flags) arguments.set(flag, true);
    if (call.arguments.training) arguments.set("training", *call.arguments.training);
    return arguments;
  }
  Config inbound_nodes(const layers::LayerBase& layer) const {
    Config nodes = Config::list();
    for (const Call& call : calls_) {
      if (call.layer.get() != &layer || call.inputs.empty()) continue;
      const std::size_t placed = call.inputs.size() - call.arguments.named.size();
      Config tensors = Config::list(), others = Config::list();
      for (std::size_t i = 0; i < placed; ++i) {
        const bool is_other = layer.argument_of_others != nullptr && i > 0;
        (is_other ? others : tensors).append(tensor(call.inputs[i]));
      }
      Config named = named_arguments(call);
      if (others.size() > 0) named.set(layer.argument_of_others, std::move(others));
      nodes.append(Config::map(
          {{"args", layer.takes_list ? Config::list({std::move(tensors)}) : std::move(tensors)},
           {"kwargs", std::move(named)}}));
    }
    return nodes;
  }

  const Topology& topology_;
  const std::vector<Call>& calls_;
  const std::string name_;
  const std::string policy_;
};

Config model_config(const Topology& topology, const std::string& name, const std::string& policy,
                    bool is_sequential) {
  const Writer writer(topology, name, policy);
  // Keras's Sequential has each layer once.
  const bool has_each_once = topology.calls().size() == topology.layers().size();
  if (is_sequential && has_each_once) {
    return object_config("keras", "Sequential", writer.sequential());
  }
  return object_config("keras.src.models.functional", "Functional", writer.functional())
      .set("registered_name", "Functional");
}

// A layer's configuration in which the layer, and those that it is made of, have a policy where
// they had none.
Config with_policy(Config own, const Config& policy) {
  if (const Config* dtype = own.find("dtype"); dtype != nullptr && dtype->is_null()) {
    own.set("dtype", policy);
  }
  const auto part = [&](const Config& object) {
    return Config(object).set("config", with_policy(object.at("config"), policy));
  };
  for (const char* key : {"layer", "backward_layer", "cell"}) {
    const Config* object = own.find(key);
    if (object != nullptr && object->is_map()) own.set(key, part(*object));
  }
  if (const Config* cells = own.find("cells"); cells != nullptr && cells->is_list()) {
    Config parts = Config::list();
    for (const Config& object : cells->list_items()) parts.append(part(object));
    own.set("cells", std::move(parts));
  }
  return own;
}

// The optimizer's configuration with its present learning rate.
Config optimizer_config(const Optimizer& optimizer, std::optional<double> learning_rate) {
  Config config = optimizer.config();
  const LearningRate& at_first = optimizer.base()->common().learning_rate;
  if (at_first.is_schedule() || !optimizer.base()->members().empty()) return config;
  if (!learning_rate || *learning_rate == static_cast<float>(at_first.at(0))) return config;
  Config own = config.at("config");
  if (const Config* inner = own.find("inner_optimizer")) {
    Config inner_own = inner->at("config");
    inner_own.set("learning_rate", *learning_rate);
    own.set("inner_optimizer", Config(*inner).set("config", std::move(inner_own)));
  } else {
    own.set("learning_rate", *learning_rate);
  }
  return config.set("config", std::move(own));
}

Config compile_config(CompileOptions options, std::optional<double> learning_rate) {
  Fields fields = Fields::writing();
  describe(fields, options);
  return Config(fields.config())
      .set("optimizer", optimizer_config(options.optimizer, learning_rate));
}

}  // namespace

Config layer_config(const layers::LayerBase& layer, const std::string& name,
                    const std::string& policy) {
  if (const auto* model = dynamic_cast<const ModelLayer*>(&layer)) {
    return model_config(model->topology(), name, policy, model->is_sequential());
  }
  const Config all = layer.config();
  Config own = with_policy(all.at("config"), policy_config(policy));
  own.set("name", name);
  return Config(all).set("config", std::move(own));
}

Config config_of(const Model::Impl& model, std::optional<double> learning_rate) {
  Config config = model_config(model.network.topology(), model.name, model.options.dtype_policy,
                               model.is_sequential);
  if (model.compiled) {
    config.set("compile_config", compile_config(model.compiled->options, learning_rate));
  }
  return config;
}

}  // namespace stoker::train
