// This file holds what all layers share: their label in messages, the handles of the functional
// API, and the first build, which checks shapes and collects the weights.
#include "layers/layer.h"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <utility>

#include "core/check.h"
#include "core/fields.h"
#include "initializers/constrain.h"
#include "layers/value.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace layers {
namespace {

// Whether the penalty is defined for a value of this shape, whose extents may be unknown.
bool takes_penalty(const Regularizer& regularizer, const Shape& shape) {
  if (regularizer.factor == 0.0) return true;
  if (shape.rank() != 2) return false;
  const std::int64_t count = shape[regularizer.columns ? 1 : 0];
  return count < 0 || count > 1;
}
constexpr const char* kExpectedMatrix =
    "OrthogonalRegularizer: expected a matrix with two rows (or columns, by its mode) or more, "
    "received ";

// Collects the weights that layers declare; the ops that they build are never run. It builds in
// training mode, in which layers ask for more.
class InferContext final : public BuildContext {
 public:
  explicit InferContext(graph::Graph& graph) : graph_(graph) {}

  graph::Graph& graph() override { return graph_; }
  bool training() const override { return true; }
  DType compute_dtype() const override { return DType::float32; }
  graph::Value weight(const WeightSpec& spec) override {
    std::vector<WeightSpec>& own = of_current_layer();
    const bool is_known = std::any_of(
        own.begin(), own.end(), [&](const WeightSpec& known) { return known.name == spec.name; });
    if (!is_known) {
      const std::string place = format(layer().label(), ", weight ", spec.name);
      require_axes(spec.constraint, spec.shape, place);
      if (!takes_penalty(spec.regularizer, spec.shape)) {
        throw ShapeError(format(place, ": ", kExpectedMatrix, spec.shape));
      }
      own.push_back(spec);
    }
    const auto space = spec.trainable ? graph::Space::parameter : graph::Space::state;
    return graph_.leaf(spec.name, {DType::float32, spec.shape}, {space, 0, 0});
  }
  void update(const WeightSpec&, graph::Value) override {}
  void add_loss(graph::Value) override { layer().declare_loss(); }
  void add_metric(const std::string& name, graph::Value) override { layer().declare_report(name); }
  std::uint32_t random_stream(std::uint32_t) override { return 0; }

  // The weights of each layer, in the order of first use.
  std::vector<std::pair<LayerBase*, std::vector<WeightSpec>>> declared;

 private:
  std::vector<WeightSpec>& of_current_layer() {
    for (auto& [known, specs] : declared) {
      if (known == &layer()) return specs;
    }
    return declared.emplace_back(&layer(), std::vector<WeightSpec>{}).second;
  }

  graph::Graph& graph_;
};

}  // namespace

// ---- Building ----------------------------------------------------------------------------------
bool BuildContext::trainable() const { return layer().trainable(); }

std::optional<bool> BuildContext::training_of_calls() const {
  for (auto frame = frames_.rbegin(); frame != frames_.rend(); ++frame) {
    if (frame->arguments->training) return frame->arguments->training;
  }
  return std::nullopt;
}

graph::Origin BuildContext::origin_of(const LayerBase& layer) const {
  return {graph::Origin::Kind::layer, layer.label()};
}

bool CallArguments::has(std::string_view flag) const {
  return std::ranges::find(flags, flag) != flags.end();
}

void BuildContext::within(LayerBase& layer, std::uint32_t number,
                          const std::function<void()>& build, const CallArguments& arguments) {
  const graph::Scope scope(graph(), origin_of(layer));
  frames_.push_back({&layer, number, &arguments});
  struct Pop {
    std::vector<Frame>& frames;
    ~Pop() { frames.pop_back(); }
  } pop{frames_};
  build();
}

std::vector<MaskedValue> BuildContext::call(LayerBase& layer, std::span<const MaskedValue> inputs,
                                            std::uint32_t number, const CallArguments& arguments) {
  std::vector<MaskedValue> outputs;
  const auto build = [&] {
    std::vector<MaskedValue> values(inputs.begin(), inputs.end());
    for (MaskedValue& input : values) {
      const bool is_cast = layer.casts_inputs && is_floating(input.value.dtype());
      if (is_cast) input.value = to_compute(input.value);
    }
    outputs = layer.build(*this, values);
  };
  within(layer, number, build, arguments);
  return outputs;
}

std::vector<FlowType> infer(LayerBase& layer, const std::vector<FlowType>& inputs,
                            const CallArguments& arguments) {
  graph::Graph graph;
  std::vector<MaskedValue> values;
  for (const FlowType& type : inputs) {
    MaskedValue& value = values.emplace_back();
    value.value = graph.leaf("x", type.value, {graph::Space::input, 0, 0});
    if (type.mask) value.mask = graph.leaf("mask", *type.mask, {graph::Space::input, 0, 0});
  }
  InferContext context(graph);
  std::vector<FlowType> types;
  for (const MaskedValue& output : context.call(layer, values, 0, arguments)) {
    FlowType& type = types.emplace_back();
    type.value = {output.value.dtype(), output.value.shape()};
    if (output.mask) type.mask = graph::ValueType{output.mask.dtype(), output.mask.shape()};
  }
  for (auto& [declaring, specs] : context.declared) declaring->declare(std::move(specs));
  return types;
}

// ---- Layers ------------------------------------------------------------------------------------
LayerBase::LayerBase(std::string class_name, std::string name, const std::string& dtype_policy)
    : class_name_(std::move(class_name)), name_(std::move(name)) {
  if (!dtype_policy.empty()) policy_ = policy_of(dtype_policy, label());
}

std::string snake_case(const std::string& class_name) {
  // Keras exports this class under another name than it has in its source.
  if (class_name == "GroupQueryAttention") return "grouped_query_attention";
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

std::string label_of(const LayerBase& layer, const std::string& name) {
  return name.empty() ? layer.class_name() : format(layer.class_name(), " \"", name, "\"");
}

std::string LayerBase::label() const { return label_of(*this, name_); }

void LayerBase::set_default_name(std::string name) {
  name_ = std::move(name);
  has_default_name_ = true;
}

void LayerBase::set_trainable(bool trainable) {
  trainable_ = trainable;
  for (const Child& child : children()) child.layer->set_trainable(trainable);
}

void LayerBase::declare(std::vector<WeightSpec> weights) {
  if (!is_declared_) {
    // Trainable weights come first, as Keras lists them.
    std::stable_partition(weights.begin(), weights.end(),
                          [](const WeightSpec& spec) { return spec.trainable; });
    weights_ = std::move(weights);
    is_declared_ = true;
    return;
  }
  for (const WeightSpec& spec : weights) {
    const auto first = std::find_if(weights_.begin(), weights_.end(), [&](const WeightSpec& known) {
      return known.name == spec.name;
    });
    if (first == weights_.end() || spec.shape == first->shape) continue;
    throw ShapeError(format(label(), ": called again on an input for which its ", spec.name,
                            " would have to be ", spec.shape, "; it is ", first->shape));
  }
}

void LayerBase::declare_report(const std::string& name) {
  if (std::ranges::find(reported_, name) == reported_.end()) reported_.push_back(name);
}

void LayerBase::begin_with(const std::string& weight,
                           std::shared_ptr<const std::vector<float>> values) {
  for (WeightSpec& spec : weights_) {
    if (spec.name == weight) spec.values = values;
  }
}

void refuse_masks(const LayerBase& layer, std::span<const MaskedValue> inputs) {
  for (const MaskedValue& input : inputs) {
    if (!input.mask) continue;
    throw ValueError(format(
        layer.label(), ": expected a value without a mask, received one with a mask of ",
        input.mask.shape(),
        ", which this layer can't take: steps that are masked would count as the others do. Make "
        "the value without a mask (mask_zero = false), or let a layer that uses it up come first"));
  }
}

Config LayerBase::config() const {
  Fields fields = Fields::writing();
  write_fields(fields);
  Config own = fields.config();
  if (own.find("trainable") != nullptr) own.set("trainable", trainable());
  return object_config("keras.layers", class_name(), std::move(own));
}

std::vector<MaskedValue> UnaryLayer::build(BuildContext& context,
                                           std::span<const MaskedValue> inputs) {
  if (inputs.size() != 1) {
    throw ShapeError(format(label(), ": expected one input, received ", inputs.size()));
  }
  if (!supports_masking) refuse_masks(*this, inputs);
  return {{apply(context, inputs[0].value), inputs[0].mask}};
}

MergeLayer::MergeLayer(std::string class_name, std::string name, const std::string& dtype_policy)
    : LayerBase(std::move(class_name), std::move(name), dtype_policy) {
  takes_list = true;
  supports_masking = true;
}

std::vector<MaskedValue> MergeLayer::build(BuildContext& context,
                                           std::span<const MaskedValue> inputs) {
  std::vector<graph::Value> values, masks;
  bool has_mask = false;
  for (const MaskedValue& input : inputs) {
    values.push_back(input.value);
    masks.push_back(input.mask);
    has_mask = has_mask || input.mask;
  }
  if (!has_mask) return {{merge(context, values)}};
  return {{merge_masked(context, values, masks), merge_masks(values, masks)}};
}

graph::Value MergeLayer::merge_masked(BuildContext& context, std::span<const graph::Value> inputs,
                                      std::span<const graph::Value>) {
  return merge(context, inputs);
}

// Where one input has no mask, the result has none either, as in Keras.
graph::Value MergeLayer::merge_masks(std::span<const graph::Value>,
                                     std::span<const graph::Value> masks) {
  graph::Value merged;
  for (const graph::Value& mask : masks) {
    if (!mask) return {};
    merged = merged ? ops::map(merged, mask, [](graph::Expr a, graph::Expr b) { return max(a, b); })
                    : mask;
  }
  return merged;
}

namespace {

// Of the pairs (a, b) of rows or columns, scaled to length 1, in both orders, sum |a b| is that of
// the whole product less its diagonal.
graph::Value orthogonality_penalty(const Regularizer& regularizer, graph::Value x, float scale) {
  const bool columns = regularizer.columns;
  ops::require(takes_penalty(regularizer, x.shape()), *x.graph, kExpectedMatrix, x.shape());
  const auto count = x.shape()[columns ? 1 : 0];
  const graph::Value squares =
      ops::reduce(ops::ReduceKind::sum, x, graph::square, {columns ? 0 : 1}, true);
  const graph::Value unit = ops::map(x, squares, [](graph::Expr value, graph::Expr square) {
    return value / max(sqrt(square), 1e-12f);
  });
  const graph::Value product = ops::matmul(unit, unit, columns, !columns);
  const graph::Value all =
      ops::reduce(ops::ReduceKind::sum, product, [](graph::Expr p) { return abs(p); }, {0, 1});
  const graph::Value diagonal = ops::reduce(ops::ReduceKind::sum, unit, graph::square, {0, 1});
  const auto pairs = static_cast<double>(count) * static_cast<double>(count - 1) / 2.0;
  const auto factor = static_cast<float>(regularizer.factor * 0.5 * scale / pairs);
  return ops::map(all, diagonal,
                  [factor](graph::Expr a, graph::Expr d) { return (a - d) * factor; });
}

}  // namespace

graph::Value penalty(const Regularizer& regularizer, graph::Value x, float scale) {
  if (regularizer.factor != 0.0) return orthogonality_penalty(regularizer, x, scale);
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
  // While shapes are checked the batch is unknown, and the value does not matter.
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

namespace {

void refuse_unknown(const LayerBase& layer, const CallArguments& arguments) {
  const std::vector<std::string_view> known = layer.call_arguments();
  const auto refuse = [&](const std::string& name) {
    const std::string own = name.substr(0, name.find('['));
    if (std::ranges::find(known, own) != known.end()) return;
    throw ValueError(
        format(layer.label(), ": calls of this layer take no ", own, did_you_mean(own, known)));
  };
  std::ranges::for_each(arguments.named, refuse);
  std::ranges::for_each(arguments.flags, refuse);
}

}  // namespace

std::vector<Value> call(const std::shared_ptr<LayerBase>& layer, const std::vector<Value>& inputs,
                        CallArguments arguments) {
  refuse_unknown(*layer, arguments);
  if (dynamic_cast<InputLayer*>(layer.get()) != nullptr) {
    throw ValueError(format(layer->label(), ": an input takes no values; pass it to a layer"));
  }
  // Within a layer or a step of the user's own, the call adds to the step that is being made.
  if (std::ranges::any_of(inputs, ValueAccess::is_tensor)) {
    return values_of(
        BuildScope::current(layer->label().c_str()).call(layer, tensors_of(inputs), arguments));
  }
  auto node = std::make_shared<CallNode>();
  std::vector<FlowType> types;
  for (const Value& input : inputs) {
    if (input.node() == nullptr) {
      throw ValueError(format(layer->label(),
                              ": expected a value made by Input() or by a layer, "
                              "received an empty Value"));
    }
    types.push_back(input.node()->type());
    node->inputs.push_back(input.node());
  }
  node->outputs = infer(*layer, types, arguments);
  node->layer = layer;
  node->arguments = std::move(arguments);
  std::vector<Value> outputs;
  for (std::size_t i = 0; i < node->outputs.size(); ++i) {
    outputs.emplace_back(std::make_shared<ValueNode>(ValueNode{node, i}));
  }
  return outputs;
}

}  // namespace layers

namespace {

const std::shared_ptr<layers::LayerBase>& require(const std::shared_ptr<layers::LayerBase>& base) {
  if (!base) throw ValueError("Layer: expected a layer, received one that was moved from");
  return base;
}

// The options that are on, and the values that options name, which are added to the inputs.
layers::CallArguments arguments_of(const layers::LayerBase& layer, const CallOptions& options,
                                   std::vector<Value>& inputs) {
  layers::CallArguments arguments;
  arguments.training = options.training;
  if (options.use_causal_mask) arguments.flags.emplace_back("use_causal_mask");
  if (options.reverse) arguments.flags.emplace_back("reverse");
  if (options.return_attention_scores) arguments.flags.emplace_back("return_attention_scores");
  const auto add = [&](const char* name, const Value& value) {
    if (!value) return;
    arguments.named.emplace_back(name);
    inputs.push_back(value);
  };
  // A layer that is called with a list of inputs is given a list of their masks.
  add(layer.takes_list ? "mask[0]" : "query_mask", options.query_mask);
  add(layer.takes_list ? "mask[1]" : "value_mask", options.value_mask);
  add(layer.takes_list ? "mask[2]" : "key_mask", options.key_mask);
  add("attention_mask", options.attention_mask);
  return arguments;
}

std::vector<Value> call_with(const std::shared_ptr<layers::LayerBase>& layer,
                             std::vector<Value> inputs, const CallOptions& options) {
  layers::CallArguments arguments = arguments_of(*layer, options, inputs);
  return layers::call(layer, inputs, std::move(arguments));
}

Value only_output(const std::shared_ptr<layers::LayerBase>& layer, std::vector<Value> inputs,
                  const CallOptions& options) {
  const std::vector<Value> outputs = call_with(layer, std::move(inputs), options);
  if (outputs.size() == 1) return outputs[0];
  throw ShapeError(format(layer->label(), ": expected a layer of one output, received ",
                          outputs.size(), " outputs; call() returns them all"));
}

std::shared_ptr<layers::LayerBase> layer_of_input(const Value& input) {
  const auto& node = input.node();
  if (node == nullptr || !node->call->inputs.empty()) {
    throw ValueError(
        "Sequential: expected Input() or a layer, received the output of a layer; "
        "Model(inputs, outputs) takes those");
  }
  return node->call->layer;
}

}  // namespace

Layer::Layer(const Value& input) : base_(layer_of_input(input)) {}

Value Layer::operator()(const Value& x, const CallOptions& options) const {
  return only_output(require(base_), {x}, options);
}
Value Layer::operator()(const std::vector<Value>& inputs, const CallOptions& options) const {
  return only_output(require(base_), inputs, options);
}
std::vector<Value> Layer::call(const std::vector<Value>& inputs, const CallOptions& options) const {
  return call_with(require(base_), inputs, options);
}

const std::string& Layer::name() const { return require(base_)->name(); }
bool Layer::trainable() const { return require(base_)->trainable(); }
void Layer::set_trainable(bool trainable) { require(base_)->set_trainable(trainable); }
const std::string& Layer::class_name() const { return require(base_)->class_name(); }
Config Layer::config() const { return require(base_)->config(); }

}  // namespace stoker
