// What all layers share: their label in messages, the handles of the functional API, and the first
// build, which checks shapes and finds out which weights there are.
#include "layers/layer.h"

#include "core/check.h"

#include <numeric>

#include "core/fields.h"
#include "layers/dtype_policy.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace layers {
namespace {

// Collects what a layer declares; nothing that it builds is ever run. In training mode, where
// layers ask for more.
class InferContext final : public BuildContext {
 public:
  InferContext(graph::Graph& graph, std::vector<WeightSpec>* weights)
      : graph_(graph), weights_(weights) {}

  graph::Graph& graph() override { return graph_; }
  bool training() const override { return true; }
  DType compute_dtype() const override { return DType::float32; }
  graph::Value weight(const WeightSpec& spec) override {
    if (weights_ != nullptr) weights_->push_back(spec);
    const auto space = spec.trainable ? graph::Space::parameter : graph::Space::state;
    return graph_.leaf(spec.name, {DType::float32, spec.shape}, {space, 0, 0});
  }
  void update(const WeightSpec&, graph::Value) override {}
  void add_loss(graph::Value) override {}
  std::uint32_t random_stream(std::uint32_t) override { return 0; }

 private:
  graph::Graph& graph_;
  std::vector<WeightSpec>* weights_;
};

}  // namespace

LayerBase::LayerBase(std::string class_name, std::string name, const std::string& dtype_policy)
    : class_name_(std::move(class_name)), name_(std::move(name)) {
  if (!dtype_policy.empty()) compute_dtype_ = compute_dtype_of(dtype_policy, label());
}

std::string LayerBase::label() const {
  return name_.empty() ? class_name_ : format(class_name_, " \"", name_, "\"");
}

graph::Value LayerBase::merge(BuildContext& context, std::span<const graph::Value> inputs) {
  if (inputs.size() != 1) {
    throw ShapeError(format(label(), ": expected one input, received ", inputs.size()));
  }
  return build(context, inputs[0]);
}

graph::ValueType infer(LayerBase& layer, const std::vector<graph::ValueType>& inputs,
                       std::vector<WeightSpec>* weights) {
  graph::Graph graph;
  std::vector<graph::Value> values;
  for (const graph::ValueType& type : inputs) {
    values.push_back(graph.leaf("x", type, {graph::Space::input, 0, 0}));
  }
  const graph::Scope scope(graph, layer.origin());
  InferContext context(graph, weights);
  const graph::Value y = layer.merge(context, values);
  return {y.dtype(), y.shape()};
}

graph::Value penalty(const Regularizer& regularizer, graph::Value x, float scale) {
  const auto of = [&](graph::Expr value) {
    const graph::Expr l1 = abs(value) * static_cast<float>(regularizer.l1);
    return l1 + square(value) * static_cast<float>(regularizer.l2);
  };
  std::vector<std::int64_t> axes(x.shape().rank());
  std::iota(axes.begin(), axes.end(), 0);
  return ops::reduce(ops::ReduceKind::sum, x, of, std::move(axes), false, scale);
}

void add_activity_loss(BuildContext& context, const Regularizer& regularizer, graph::Value y) {
  if (!regularizer) return;
  const std::int64_t batch = y.shape()[0];
  // While shapes are checked the batch is unknown, and the value of no interest.
  const float scale = batch > 0 ? static_cast<float>(1.0 / static_cast<double>(batch)) : 1.0f;
  context.add_loss(penalty(regularizer, y, scale));
}

void require_rank(graph::Value x, std::size_t rank, const std::string& advice) {
  ops::require(x.shape().rank() == rank, *x.graph, "expected input of rank ", rank, ", received ",
               x.shape(), ".", advice.empty() ? "" : " ", advice);
}

void require_positive(const LayerBase& layer, const char* what, std::int64_t value) {
  check::require(layer.label(), what, value, check::at_least(1));
}

void require_along_axis(const LayerBase& layer, const char* what, std::int64_t value) {
  require_positive(layer, what, value);
  check::require(layer.label(), what, value, check::half_open(1, 0x1p31));
}

}  // namespace layers

namespace {

Value call(const std::shared_ptr<layers::LayerBase>& layer, const std::vector<Value>& inputs) {
  if (dynamic_cast<layers::InputLayer*>(layer.get()) != nullptr) {
    throw ValueError(format(layer->label(), ": an input takes no values; pass it to a layer"));
  }
  auto node = std::make_shared<layers::ValueNode>();
  std::vector<graph::ValueType> types;
  for (const Value& input : inputs) {
    if (input.node() == nullptr) {
      throw ValueError(format(layer->label(),
                              ": expected a value made by Input() or by a layer, "
                              "received an empty Value"));
    }
    types.push_back({input.node()->dtype, input.node()->shape});
    node->inputs.push_back(input.node());
  }
  const graph::ValueType type = layers::infer(*layer, types, nullptr);
  node->layer = layer;
  node->shape = type.shape;
  node->dtype = type.dtype;
  return Value(std::move(node));
}

std::shared_ptr<layers::LayerBase> layer_of_input(const Value& input) {
  const auto& node = input.node();
  if (node == nullptr || !node->inputs.empty()) {
    throw ValueError(
        "Sequential: expected Input() or a layer, received the output of a layer; "
        "Model(inputs, outputs) takes those");
  }
  return node->layer;
}

}  // namespace

const Shape& Value::shape() const {
  if (node_ == nullptr) throw ValueError("Value: expected one that Input() or a layer made");
  return node_->shape;
}

Layer::Layer(const Value& input) : base_(layer_of_input(input)) {}

Value Layer::operator()(const Value& x) const { return call(base_, {x}); }
Value Layer::operator()(const std::vector<Value>& inputs) const { return call(base_, inputs); }

const std::string& Layer::name() const { return base_->name(); }
bool Layer::trainable() const { return base_->trainable; }
void Layer::set_trainable(bool trainable) { base_->trainable = trainable; }
const std::string& Layer::class_name() const { return base_->class_name(); }

Config Layer::config() const {
  Fields fields = Fields::writing();
  base_->write_fields(fields);
  Config own = fields.config();
  if (own.find("trainable") != nullptr) own.set("trainable", trainable());
  return object_config("keras.layers", class_name(), std::move(own));
}

}  // namespace stoker
