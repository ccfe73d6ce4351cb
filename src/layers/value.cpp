#include "layers/value.h"

#include "core/format.h"
#include "stoker/error.h"

namespace stoker {
namespace layers {
namespace {

thread_local BuildScope* current_scope = nullptr;

}  // namespace

BuildScope::BuildScope(graph::Graph& graph, BuildContext* context, Called called)
    : graph_(graph),
      context_(context),
      called_(std::move(called)),
      first_node_(graph.nodes().size()),
      outer_(current_scope) {
  current_scope = this;
}

bool BuildScope::has_made(const graph::Graph& graph, graph::NodeId node) {
  return current_scope != nullptr && &current_scope->graph_ == &graph &&
         static_cast<std::size_t>(node) >= current_scope->first_node_;
}

BuildScope::~BuildScope() { current_scope = outer_; }

BuildScope& BuildScope::current(const char* what) {
  if (current_scope != nullptr) return *current_scope;
  throw ValueError(format(what, ": expected to be called within a layer, loss, metric or step of ",
                          "the user's own (stoker/custom.h), where there is a step to add to"));
}

BuildContext& BuildScope::context(const char* what) {
  if (context_ != nullptr) return *context_;
  throw ValueError(format(what, ": a loss or a metric has neither layers nor random numbers; ",
                          "expected to be called within a layer or a step of the user's own"));
}

std::vector<MaskedValue> BuildScope::call(const std::shared_ptr<LayerBase>& layer,
                                          std::span<const MaskedValue> inputs,
                                          const CallArguments& arguments) {
  BuildContext& building = context(layer->label().c_str());
  if (called_) called_(layer);
  return building.call(*layer, inputs, calls_++, arguments);
}

Value ValueAccess::of(const MaskedValue& tensor) {
  Value value;
  value.step_ = tensor.value.graph->serial();
  value.id_ = tensor.value.id;
  value.mask_ = tensor.mask.id;
  return value;
}

MaskedValue ValueAccess::tensor(const Value& value) {
  if (!value) {
    throw ValueError("Value: expected one that Input() or a layer made, received an empty Value");
  }
  if (!is_tensor(value)) {
    throw ValueError(
        "expected a tensor of the step that is being made, received a value of the functional API "
        "(Input(), or a layer called on one); pass it to the layer as an input");
  }
  if (current_scope != nullptr && current_scope->graph_.serial() == value.step_) {
    graph::Graph& graph = current_scope->graph_;
    MaskedValue tensor{{&graph, value.id_}};
    if (value.mask_ >= 0) tensor.mask = {&graph, value.mask_};
    return tensor;
  }
  throw ValueError(
      "a value was kept from an earlier call: a step's values end with the call of the layer, "
      "loss, "
      "metric or step that got them, which is called anew for every step that is made");
}

std::vector<MaskedValue> tensors_of(std::span<const Value> values) {
  std::vector<MaskedValue> tensors;
  for (const Value& value : values) tensors.push_back(ValueAccess::tensor(value));
  return tensors;
}

std::vector<Value> values_of(std::span<const MaskedValue> tensors) {
  std::vector<Value> values;
  for (const MaskedValue& tensor : tensors) values.push_back(ValueAccess::of(tensor));
  return values;
}

}  // namespace layers

const Shape& Value::shape() const {
  if (node_ != nullptr) return node_->shape();
  return layers::ValueAccess::tensor(*this).value.shape();
}

DType Value::dtype() const {
  if (node_ != nullptr) return node_->type().value.dtype;
  return layers::ValueAccess::tensor(*this).value.dtype();
}

bool Value::has_mask() const {
  return node_ != nullptr ? node_->type().mask.has_value() : mask_ >= 0;
}

}  // namespace stoker
