#include "custom/custom_layer.h"

#include <algorithm>
#include <map>
#include <utility>

#include "core/fields.h"
#include "core/registered.h"
#include "layers/fields.h"
#include "layers/registry.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace custom {

std::vector<layers::MaskedValue> UserLayer::build(layers::BuildContext& context,
                                                  std::span<const layers::MaskedValue> inputs) {
  if (!supports_masking) layers::refuse_masks(*this, inputs);
  layers::BuildScope scope(
      context.graph(), &context,
      [this](const std::shared_ptr<layers::LayerBase>& layer) { called(layer); });
  const std::vector<Value> results = run(scope, layers::values_of(inputs));
  std::vector<layers::MaskedValue> outputs =
      Fields::with_place(label(), [&] { return layers::tensors_of(results); });
  if (outputs.empty()) throw ValueError(format(label(), ": expected a result, received none"));
  for (layers::MaskedValue& output : outputs) {
    if (!output.mask && supports_masking && !inputs.empty()) output.mask = inputs[0].mask;
  }
  if (!is_built_) is_built_ = true;
  return outputs;
}

void UserLayer::called(const std::shared_ptr<layers::LayerBase>& layer) {
  const auto is_it = [&](const layers::Child& child) { return child.layer == layer; };
  if (std::ranges::any_of(children_, is_it)) return;
  if (is_built_) {
    throw ValueError(format(
        label(), ": called ", layer->label(),
        ", which its first call did not call. Layers that a layer is made of are its members, made "
        "with it, so that all calls have the same weights"));
  }
  const std::string base =
      layer->name().empty() ? layers::snake_case(layer->class_name()) : layer->name();
  std::string name = base;
  const auto is_taken = [&] {
    return std::ranges::any_of(children_,
                               [&](const layers::Child& child) { return child.name == name; });
  };
  for (int number = 1; is_taken(); ++number) name = format(base, "_", number);
  if (!trainable()) layer->set_trainable(false);
  children_.push_back({name, layer});
}

bool depends_on(graph::Value value, std::span<const graph::Value> others) {
  const graph::Graph& graph = *value.graph;
  std::vector<bool> dependent(graph.value_count(), false);
  for (const graph::Value& other : others) dependent[static_cast<std::size_t>(other.id)] = true;
  for (const graph::Node& node : graph.nodes()) {
    const bool any = std::ranges::any_of(
        node.inputs, [&](graph::ValueId id) { return dependent[static_cast<std::size_t>(id)]; });
    for (const graph::ValueId output : node.outputs) {
      if (any) dependent[static_cast<std::size_t>(output)] = true;
    }
  }
  return dependent[static_cast<std::size_t>(value.id)];
}

namespace {

// A layer around the user's object.
class ObjectLayer final : public UserLayer {
 public:
  ObjectLayer(std::shared_ptr<CustomLayer> object, const NameOptions& options)
      : UserLayer(object->class_name(), options.name, options.dtype), object_(std::move(object)) {
    supports_masking = object_->supports_masking();
  }

  void write_fields(Fields& fields) const override {
    NameOptions options{.name = name(),
                        .dtype = policy() ? layers::name_of(*policy()) : std::string()};
    layers::describe_common(fields, options);
  }
  // Keras finds a class of the program's own by the name under which it was registered there.
  Config config() const override {
    Config all = LayerBase::config();
    Config own = all.at("config");
    const Config arguments = object_->config();
    for (const auto& [key, value] : arguments.members()) own.set(key, value);
    return all.set("config", std::move(own))
        .set("module", nullptr)
        .set("registered_name", "Custom>" + class_name());
  }

 protected:
  std::vector<Value> run(layers::BuildScope& scope, const std::vector<Value>& inputs) override {
    LayerContext::Inside inside{scope};
    LayerContext context(inside);
    return object_->call(context, inputs);
  }

 private:
  const std::shared_ptr<CustomLayer> object_;
};

}  // namespace
}  // namespace custom

CustomLayer::~CustomLayer() = default;

Value CustomLayer::call(LayerContext&, const Value&) {
  throw ValueError(format(class_name(), ": expected the class to override call()"));
}

std::vector<Value> CustomLayer::call(LayerContext& context, const std::vector<Value>& inputs) {
  if (inputs.size() != 1) {
    throw ShapeError(format(class_name(), ": expected one input, received ", inputs.size(),
                            ". A layer of several inputs overrides the call that takes a vector"));
  }
  return {call(context, inputs[0])};
}

Layer custom_layer(std::shared_ptr<CustomLayer> layer, NameOptions options) {
  if (layer == nullptr) throw ValueError("custom_layer: expected a layer, received none");
  const std::string name = layer->class_name();
  if (name.empty()) throw ValueError("custom_layer: expected a class_name(), received none");
  if (layers::is_layer_class(name)) {
    throw ValueError(format("custom_layer: the class_name() \"", name,
                            "\" is that of one of Stoker's layers; choose another"));
  }
  return Layer(std::make_shared<custom::ObjectLayer>(std::move(layer), options));
}

void register_layer(const std::string& class_name,
                    detail::Function<std::shared_ptr<CustomLayer>(const Config& config)> make) {
  if (!make) throw ValueError("register_layer: expected a function that makes the layer");
  layers::register_layer_class(class_name, [class_name, make](const Config& config) {
    NameOptions options;
    layers::LayerName name;
    layers::PolicyName dtype;
    if (const Config* given = config.find("name")) {
      name = FieldType<layers::LayerName>::read(*given);
    }
    if (const Config* given = config.find("dtype")) {
      dtype = FieldType<layers::PolicyName>::read(*given);
    }
    std::shared_ptr<CustomLayer> object = make(config);
    if (object == nullptr) {
      throw ValueError("expected the registered function to make a layer, received none");
    }
    return custom_layer(std::move(object), {.name = name.text, .dtype = dtype.text});
  });
}

// ---- What a call may do ------------------------------------------------------------------------
bool LayerContext::training() const { return inside_.scope.context("LayerContext").training(); }

Value LayerContext::weight(const std::string& name, const Shape& shape,
                           const WeightOptions& options) {
  layers::BuildContext& context = inside_.scope.context("LayerContext::weight");
  ops::require(shape.is_known(), context.graph(), "weight \"", name,
               "\": expected a shape with known extents, received ", shape,
               ". The batch is no extent of a weight");
  layers::WeightSpec spec{name,
                          shape,
                          options.initializer,
                          options.regularizer,
                          options.constraint,
                          options.trainable,
                          options.autocast};
  const auto same = std::ranges::find(inside_.weights, name, &layers::WeightSpec::name);
  if (same == inside_.weights.end()) {
    inside_.weights.push_back(spec);
  } else if (same->shape != shape || same->trainable != options.trainable) {
    throw ValueError(format(ops::where(context.graph()), "weight \"", name,
                            "\": the name stands for another weight of this layer, of shape ",
                            same->shape, "; received ", shape));
  }
  return layers::value_of(context.weight(spec));
}

void LayerContext::assign(const std::string& name, const Value& value) {
  layers::BuildContext& context = inside_.scope.context("LayerContext::assign");
  const auto known = std::ranges::find(inside_.weights, name, &layers::WeightSpec::name);
  if (known == inside_.weights.end()) {
    throw ValueError(format(ops::where(context.graph()),
                            "assign: expected a weight that this call ",
                            "has asked for, received \"", name, "\""));
  }
  const graph::Value tensor = layers::tensor_of(value);
  ops::require(tensor.shape() == known->shape, context.graph(),
               "assign: expected a value of shape ", known->shape, " for weight \"", name,
               "\", received ", tensor.shape());
  if (context.training()) context.update(*known, ops::to_float(tensor));
}

void LayerContext::add_loss(const Value& loss) {
  layers::BuildContext& context = inside_.scope.context("LayerContext::add_loss");
  const graph::Value tensor = layers::tensor_of(loss);
  ops::require(tensor.shape().rank() == 0, context.graph(),
               "add_loss: expected one number, as of ops::mean(x), received shape ",
               tensor.shape());
  context.add_loss(ops::to_float(tensor));
}

void LayerContext::add_metric(const std::string& name, const Value& value) {
  layers::BuildContext& context = inside_.scope.context("LayerContext::add_metric");
  if (name.empty()) {
    throw ValueError(format(ops::where(context.graph()), "add_metric: expected a name"));
  }
  context.add_metric(name, ops::to_float(layers::tensor_of(value)));
}

}  // namespace stoker
