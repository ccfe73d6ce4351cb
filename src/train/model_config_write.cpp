// A model as a Config.
#include "core/fields.h"
#include "layers/fields.h"
#include "losses/loss.h"
#include "metrics/metric.h"
#include "optimizers/optimizer.h"
#include "train/model_config.h"
#include "train/model_impl.h"

namespace stoker {

void describe(Fields& fields, CompileOptions& options) {
  fields.required("optimizer", options.optimizer);
  fields("loss", options.loss);
  fields("metrics", options.metrics);
  fields("weighted_metrics", options.weighted_metrics);
  fields("run_eagerly", options.run_eagerly);
  fields.never({"loss_weights"});
  // How Keras runs a step; it computes the same.
  fields.note("steps_per_execution", 1);
  fields.note("jit_compile", false);
  fields.ignored({"auto_scale_loss"});
}

}  // namespace stoker

namespace stoker::train {
namespace {

// A shape with its batch, which is null.
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

// With the dtype policy of the model where the layer has none of its own, since Keras keeps one for
// each layer.
Config layer_config(const std::shared_ptr<layers::LayerBase>& layer, const std::string& policy) {
  const Config all = Layer(layer).config();
  Config own = all.at("config");
  if (const Config* dtype = own.find("dtype"); dtype != nullptr && dtype->is_null()) {
    own.set("dtype", policy_config(policy));
  }
  return Config(all).set("config", std::move(own));
}

class Writer {
 public:
  explicit Writer(const Model::Impl& model) : model_(model), calls_(model.network.calls()) {}

  Config sequential() const {
    Config layers = Config::list();
    for (const Call& call : calls_) layers.append(of_layer(call));
    return Config::map({{"name", model_.name},
                        {"trainable", true},
                        {"dtype", policy_config(model_.options.dtype_policy)},
                        {"layers", std::move(layers)},
                        {"build_input_shape", shape_config(calls_[0].shape)}});
  }

  Config functional() const {
    Config layers = Config::list();
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      if (node_index(i) != 0) continue;  // written with its first call
      Config layer = of_layer(calls_[i]);
      layer.set("name", calls_[i].layer->name()).set("inbound_nodes", inbound_nodes(i));
      layers.append(std::move(layer));
    }
    Config inputs = Config::list();
    for (const std::size_t input : model_.network.inputs()) inputs.append(history(input));
    return Config::map(
        {{"name", model_.name},
         {"trainable", true},
         {"layers", std::move(layers)},
         {"input_layers", inputs.size() == 1 ? Config(inputs.at(0)) : std::move(inputs)},
         {"output_layers", history(calls_.size() - 1)}});
  }

 private:
  Config of_layer(const Call& call) const {
    return layer_config(call.layer, model_.options.dtype_policy);
  }

  // Of the calls of its layer, which this one is.
  std::int64_t node_index(std::size_t call) const {
    std::int64_t index = 0;
    for (std::size_t i = 0; i < call; ++i) {
      if (calls_[i].layer == calls_[call].layer) ++index;
    }
    return index;
  }
  // Keras's name of a value: its layer, which call of it, and which of the call's outputs.
  Config history(std::size_t call) const {
    return Config::list({calls_[call].layer->name(), node_index(call), 0});
  }
  DType dtype(std::size_t call) const {
    const layers::LayerBase& layer = *calls_[call].layer;
    const auto* input = dynamic_cast<const layers::InputLayer*>(&layer);
    return input != nullptr ? input->dtype : model_.network.compute_dtype(layer);
  }
  Config tensor(std::size_t call) const {
    return Config::map({{"class_name", "__keras_tensor__"},
                        {"config", Config::map({{"shape", shape_config(calls_[call].shape)},
                                                {"dtype", std::string(name_of(dtype(call)))},
                                                {"keras_history", history(call)}})}});
  }
  Config inbound_nodes(std::size_t first) const {
    Config nodes = Config::list();
    for (std::size_t i = first; i < calls_.size(); ++i) {
      if (calls_[i].layer != calls_[first].layer || calls_[i].inputs.empty()) continue;
      Config tensors = Config::list();
      for (const std::size_t input : calls_[i].inputs) tensors.append(tensor(input));
      const bool takes_list =
          dynamic_cast<const layers::MergeLayer*>(calls_[i].layer.get()) != nullptr;
      nodes.append(Config::map(
          {{"args", takes_list ? Config::list({std::move(tensors)}) : std::move(tensors)},
           {"kwargs", Config::map()}}));
    }
    return nodes;
  }

  const Model::Impl& model_;
  const std::vector<Call>& calls_;
};

// The optimizer with the learning rate that it has come to.
Config optimizer_config(const Optimizer& optimizer, std::optional<double> learning_rate) {
  Config config = optimizer.config();
  const double at_first = optimizer.base()->common().learning_rate;
  if (!learning_rate || *learning_rate == static_cast<float>(at_first)) return config;
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

Config config_of(const Model::Impl& model, std::optional<double> learning_rate) {
  const Writer writer(model);
  Config config = model.is_sequential ? object_config("keras", "Sequential", writer.sequential())
                                      : object_config("keras.src.models.functional", "Functional",
                                                      writer.functional())
                                            .set("registered_name", "Functional");
  if (model.compiled) {
    config.set("compile_config", compile_config(model.compiled->options, learning_rate));
  }
  return config;
}

}  // namespace stoker::train
