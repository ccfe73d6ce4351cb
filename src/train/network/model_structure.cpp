// Models as something made of layers: their values, their layers, a model as a layer, Sequential.
#include <memory>
#include <mutex>
#include <set>
#include <string_view>
#include <utility>

#include "core/format.h"
#include "core/nearest.h"
#include "stoker/error.h"
#include "stoker/model.h"
#include "train/lazy_model.h"
#include "train/network/stacked_layers.h"

namespace stoker {

// ---- A model as a layer ------------------------------------------------------------------------
Layer::Layer(const Model& model) : base_(model.as_layer()) {}

std::shared_ptr<layers::LayerBase> Model::as_layer() const {
  const Impl& model = impl("a call as a layer");
  const std::lock_guard lock(lazy_->layer_mutex);
  std::shared_ptr<train::ModelLayer>& layer = lazy_->layer;
  if (!layer) {
    layer = std::make_shared<train::ModelLayer>(lazy_->class_name(), lazy_->options.name,
                                                model.network.shared_topology());
  }
  return layer;
}

Value Model::operator()(const Value& x, const CallOptions& options) const {
  return Layer(*this)(x, options);
}
Value Model::operator()(const std::vector<Value>& inputs, const CallOptions& options) const {
  return Layer(*this)(inputs, options);
}
std::vector<Value> Model::call(const std::vector<Value>& inputs, const CallOptions& options) const {
  return Layer(*this).call(inputs, options);
}

std::vector<Layer> Model::layers() const {
  std::vector<Layer> layers;
  for (const auto& layer : impl("layers").network.topology().layers()) {
    layers.emplace_back(layer);
  }
  return layers;
}

namespace {

const std::shared_ptr<layers::LayerBase>& layer_named(const Model::Impl& model, const char* what,
                                                      const std::string& name) {
  const train::Topology& topology = model.network.topology();
  std::vector<std::string_view> known;
  for (const auto& layer : topology.layers()) {
    if (topology.name_of(*layer) == name) return layer;
    known.push_back(topology.name_of(*layer));
  }
  throw ValueError(format("Model \"", model.name, "\": ", what, ": there is no layer \"", name,
                          "\"", did_you_mean(name, known)));
}

// The first call of the layer on the way to the value, in the order in which calls are made.
std::shared_ptr<const layers::CallNode> first_call(
    const std::shared_ptr<const layers::CallNode>& call, const layers::LayerBase* layer,
    std::set<const layers::CallNode*>& seen) {
  if (!seen.insert(call.get()).second) return nullptr;
  for (const auto& input : call->inputs) {
    if (auto found = first_call(input->call, layer, seen)) return found;
  }
  return call->layer.get() == layer ? call : nullptr;
}

}  // namespace

Layer Model::get_layer(const std::string& name) const {
  return Layer(layer_named(impl("get_layer"), "get_layer", name));
}

std::vector<Value> Model::inputs() const {
  impl("inputs");
  return lazy_->inputs;
}

std::vector<Value> Model::outputs() const {
  impl("outputs");
  return lazy_->outputs;
}

Value Model::layer_output(const std::string& layer) const {
  const auto& base = layer_named(impl("layer_output"), "layer_output", layer);
  std::set<const layers::CallNode*> seen;
  for (const std::vector<Value>* values : {&lazy_->outputs, &lazy_->inputs}) {
    for (const Value& value : *values) {
      if (auto call = first_call(value.node()->call, base.get(), seen)) {
        return Value(std::make_shared<layers::ValueNode>(layers::ValueNode{std::move(call), 0}));
      }
    }
  }
  throw Error(format("Model \"", name(), "\": layer_output: \"", layer, "\" has no call"));
}

void Model::set_trainable(bool trainable) {
  for (const auto& layer : impl("set_trainable").network.topology().layers()) {
    layer->set_trainable(trainable);
  }
}

// ---- Sequential --------------------------------------------------------------------------------
struct Sequential::Stack : train::StackedLayers {
  using StackedLayers::StackedLayers;
};

Sequential::Sequential(std::initializer_list<Layer> layers, ModelOptions options)
    : Sequential(std::vector<Layer>(layers), std::move(options)) {}

Sequential::Sequential(const std::vector<Layer>& layers, ModelOptions options)
    : Sequential(std::move(options)) {
  layers_ = std::make_unique<Stack>(layers);
  stack();
  make();
}

Sequential::Sequential(ModelOptions options)
    : Model({}, {}, options, true),
      options_(std::move(options)),
      layers_(std::make_unique<Stack>()) {}

Sequential::Sequential(Sequential&&) noexcept = default;
Sequential& Sequential::operator=(Sequential&&) noexcept = default;
Sequential::~Sequential() = default;

void Sequential::add(const Layer& layer) {
  if (!layers_) {
    throw ValueError("Model: add: this one was moved from; use the one it went to");
  }
  require_unused("add");
  layers_->add(layer);
  stack();
}

void Sequential::stack() { replace({layers_->input()}, {layers_->output()}, options_); }

}  // namespace stoker
