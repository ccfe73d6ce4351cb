#include "train/step_graph.h"

#include <algorithm>

#include "core/format.h"
#include "losses/loss.h"
#include "metrics/metric.h"
#include "ops/ops.h"
#include "plan/autodiff.h"
#include "plan/scalar_offsets.h"
#include "plan/scalars.h"
#include "stoker/error.h"
#include "train/update.h"

namespace stoker::train {

using graph::Graph;
using graph::Home;
using graph::Origin;
using graph::Space;
using graph::Value;

namespace {

// A layer's view of the step that is being built.
class StepContext final : public layers::BuildContext {
 public:
  StepContext(Graph& graph, const Network& network, Mode mode)
      : graph_(graph), network_(network), mode_(mode) {}

  void enter(const layers::LayerBase& layer, std::size_t call) {
    layer_ = &layer;
    call_ = call;
  }

  Graph& graph() override { return graph_; }
  bool training() const override { return mode_ == Mode::train; }
  DType compute_dtype() const override { return network_.compute_dtype(*layer_); }

  Value weight(const layers::WeightSpec& spec) override {
    const Weight& weight = network_.weight(*layer_, spec.name);
    auto& leaf = leaves_[static_cast<std::size_t>(&weight - network_.weights().data())];
    if (!leaf) {
      leaf = graph_.leaf(weight.path, {DType::float32, weight.spec.shape}, weight.home);
      if (weight.spec.regularizer) add_loss(layers::penalty(weight.spec.regularizer, leaf));
    }
    const bool is_copied = weight.spec.trainable && network_.copy_dtype() == compute_dtype();
    if (!spec.autocast) return leaf;
    return is_copied ? copy_of(weight) : ops::cast(leaf, compute_dtype());
  }
  void update(const layers::WeightSpec& spec, Value value) override {
    updates_.push_back({network_.weight(*layer_, spec.name).home, value});
  }
  void add_loss(Value loss) override { losses_.push_back(loss); }

  // Streams below 2^31 are the layers' own; the call's place in the model is stable.
  std::uint32_t random_stream(std::uint32_t which) override {
    return static_cast<std::uint32_t>(call_ * 16 + which + 1);
  }

  // The leaf of each weight; invalid where no layer asked for it. Copies are the same in 16 bits: a
  // weight has the gradients of both.
  const std::vector<Value>& leaves() const { return leaves_; }
  const std::vector<Value>& copies() const { return copies_; }
  const std::vector<std::pair<Home, Value>>& updates() const { return updates_; }
  const std::vector<Value>& losses() const { return losses_; }

 private:
  Value copy_of(const Weight& weight) {
    auto& copy = copies_[static_cast<std::size_t>(&weight - network_.weights().data())];
    if (!copy) {
      copy = graph_.leaf(weight.path, {*network_.copy_dtype(), weight.spec.shape},
                         Network::copy_home(weight));
    }
    return copy;
  }

  Graph& graph_;
  const Network& network_;
  Mode mode_;
  const layers::LayerBase* layer_ = nullptr;
  std::size_t call_ = 0;
  std::vector<Value> leaves_ = std::vector<Value>(network_.weights().size());
  std::vector<Value> copies_ = leaves_;
  std::vector<std::pair<Home, Value>> updates_;
  std::vector<Value> losses_;
};

Value field_leaf(Graph& graph, const Field& field, std::size_t offset, std::int64_t rows) {
  Shape shape = field.shape;
  shape[0] = rows;
  return graph.leaf(field.name, {field.dtype, shape},
                    {Space::input, 0, static_cast<std::int64_t>(offset)});
}

// An input may lack, or have, a last axis of one channel, as in Keras.
Value fit_input(Value x, const layers::InputLayer& input) {
  const Shape wanted = input.shape.with_batch(x.shape()[0]);
  const bool whole = input.dtype == DType::int32;
  if (whole && x.dtype() == DType::float32) {
    throw DTypeError(format(input.label(), ": expected int32, received float32"));
  }
  if (x.shape() == wanted) return x;
  Shape extended = x.shape();
  if (extended.rank() < Shape::kMaxRank) extended.push_back(1);
  Shape shortened = wanted;
  if (shortened.rank() < Shape::kMaxRank) shortened.push_back(1);
  if (extended == wanted || x.shape() == shortened) return ops::reshape(x, wanted);
  throw ShapeError(format(input.label(), ": expected batches of ",
                          input.shape.with_batch(Shape::kUnknown), ", received ",
                          x.shape().without_batch().with_batch(Shape::kUnknown)));
}

Value forward(StepContext& context, const Network& network, const BatchSpec& spec,
              const std::vector<std::size_t>& offsets, std::int64_t rows) {
  Graph& graph = context.graph();
  if (spec.inputs.size() != network.inputs().size()) {
    throw ShapeError(format("the model has ", network.inputs().size(), " inputs, the source gives ",
                            spec.inputs.size()));
  }
  std::vector<Value> values(network.calls().size());
  for (std::size_t i = 0; i < spec.inputs.size(); ++i) {
    const Value leaf = field_leaf(graph, spec.inputs[i], offsets[i], rows);
    const graph::Scope scope(graph, network.input(i).origin());
    Value x = fit_input(leaf, network.input(i));
    if (network.input(i).dtype == DType::float32) x = ops::to_float(x);
    values[network.inputs()[i]] = x;
  }
  for (std::size_t i = 0; i < network.calls().size(); ++i) {
    const Call& call = network.calls()[i];
    if (call.inputs.empty()) continue;
    const graph::Scope scope(graph, call.layer->origin());
    context.enter(*call.layer, i);
    std::vector<Value> inputs;
    for (const std::size_t input : call.inputs) {
      const Value x = values[input];
      const bool is_cast = call.layer->casts_inputs && is_floating(x.dtype());
      inputs.push_back(is_cast ? context.to_compute(x) : x);
    }
    values[i] = call.layer->merge(context, inputs);
  }
  return values.back();
}

// totals[i] += additions[i], all in one op. Behind the totals lie their corrections, which take
// what the additions lose in float32 (Knuth's two-sum): epochs of millions of steps do not drift.
void accumulate(Graph& graph, const std::vector<Value>& additions) {
  std::vector<Value> inputs;
  std::vector<Home> homes;
  graph::Expression expression;
  for (std::size_t i = 0; i < additions.size(); ++i) {
    const auto home = [](std::size_t at) {
      return Home{Space::metric, 0, static_cast<std::int64_t>(at * sizeof(float))};
    };
    const auto input = [&](Value value) {
      inputs.push_back(value);
      return graph::Expr{&expression, expression.input(static_cast<int>(inputs.size()) - 1)};
    };
    const Home total_home = home(i), correction_home = home(additions.size() + i);
    const graph::Expr total = input(graph.leaf("total", {DType::float32, {}}, total_home));
    const graph::Expr correction =
        input(graph.leaf("correction", {DType::float32, {}}, correction_home));
    const graph::Expr addition = input(additions[i]);
    const graph::Expr sum = total + addition;
    const graph::Expr taken = sum - total;
    const graph::Expr lost = (total - (sum - taken)) + (addition - taken);
    homes.push_back(total_home);
    expression.add_output(sum.id);
    homes.push_back(correction_home);
    expression.add_output((correction + lost).id);
  }
  ops::pointwise_into(inputs, std::move(expression), homes, {.guard = ops::Guard::error});
}

void write_guarded(Value value, Home home) {
  ops::pointwise_into({value}, graph::identity(), {home},
                      {.guard = ops::Guard::error, .keeps_finite = true});
}

// What the gradient of the loss starts from when the loss is scaled.
Value loss_scale_leaf(Graph& graph) {
  return graph.leaf("loss_scale", {DType::float32, {}},
                    {Space::scalar, 0, static_cast<std::int64_t>(plan::kLossScaleOffset)});
}

// Gradients of all trainable weights, written to their segments of the gradient buffer.
std::vector<bool> append_gradients(Graph& graph, const Network& network, const StepContext& context,
                                   Value loss, Value seed) {
  std::vector<std::size_t> wanted;
  std::vector<Value> parameters;  // two for each: the weight and its copy
  for (std::size_t i = 0; i < network.weights().size(); ++i) {
    const Weight& weight = network.weights()[i];
    const Value leaf = context.leaves()[i];
    if (!leaf || !weight.spec.trainable || !weight.layer->trainable) continue;
    wanted.push_back(i);
    parameters.push_back(leaf);
    parameters.push_back(context.copies()[i] ? context.copies()[i] : leaf);
  }
  const std::vector<Value> gradients = plan::differentiate(graph, loss, parameters, seed);
  std::vector<bool> has_gradient(network.weights().size(), false);
  for (std::size_t k = 0; k < wanted.size(); ++k) {
    const bool has_copy = !(parameters[2 * k] == parameters[2 * k + 1]);
    Value gradient = gradients[2 * k];
    if (const Value of_copy = gradients[2 * k + 1]; has_copy && of_copy) {
      gradient = gradient ? ops::add(gradient, of_copy) : of_copy;
    }
    if (!gradient) continue;
    has_gradient[wanted[k]] = true;
    const Home home{Space::gradient, 0, network.weights()[wanted[k]].home.offset};
    const graph::ValueInfo& info = graph.info(gradient.id);
    // A value that is a leaf, or is the gradient of another weight too, is copied; one of 16 bits
    // is converted.
    if (info.node < 0 || info.home.space != Space::arena || info.type.dtype != DType::float32) {
      ops::pointwise_into({gradient}, graph::identity(), {home});
    } else {
      graph.place(gradient, home);
    }
  }
  return has_gradient;
}

}  // namespace

StepGraph build_step(const Network& network, const Compiled* compiled, Mode mode,
                     const BatchSpec& spec, const std::vector<std::size_t>& offsets,
                     std::int64_t rows) {
  StepGraph step{std::make_unique<Graph>(), {}};
  Graph& graph = *step.graph;
  StepContext context(graph, network, mode);
  const Value output = ops::to_float(forward(context, network, spec, offsets, rows));
  if (mode == Mode::predict) {
    // A model may hand its input through: the result still has to be a node's.
    step.keep.push_back(graph.info(output.id).node >= 0
                            ? output.id
                            : ops::map(output, [](graph::Expr x) { return x; }).id);
    return step;
  }

  if (spec.targets.empty()) {
    throw DataError("the source gives no targets: fit and evaluate need y");
  }
  if (spec.targets.size() > 1) {
    throw ShapeError(
        format("the source gives ", spec.targets.size(), " targets, the model has one output"));
  }
  const std::size_t inputs = spec.inputs.size();
  const Value y_true = field_leaf(graph, spec.targets[0], offsets[inputs], rows);
  Value sample_weight;
  if (!spec.sample_weights.empty()) {
    sample_weight =
        field_leaf(graph, spec.sample_weights[0], offsets[spec.sample_weight_field(0)], rows);
  }

  const losses::LossBase& loss_base = *compiled->options.loss.base();
  Value loss;
  {
    const graph::Scope scope(graph, {Origin::Kind::loss, format("loss ", loss_base.name())});
    loss = losses::compute(loss_base, y_true, output, sample_weight);
    for (const Value& extra : context.losses()) loss = ops::add(loss, extra);
  }

  std::vector<Value> additions;
  {
    const graph::Scope scope(graph, {Origin::Kind::metric, "metrics"});
    const auto batch = static_cast<float>(rows);
    additions.push_back(ops::map(loss, [batch](graph::Expr x) { return x * batch; }));
    additions.push_back(ops::fill(graph, {}, batch));
    const std::size_t unweighted = compiled->options.metrics.size();
    for (std::size_t i = 1; i < compiled->tracked.size(); ++i) {
      const Tracked& tracked = compiled->tracked[i];
      const graph::Scope inner(graph, {Origin::Kind::metric, format("metric ", tracked.name)});
      const Value weight = i <= unweighted ? Value{} : sample_weight;
      for (const Value& value : tracked.metric->build(y_true, output, weight)) {
        additions.push_back(value);
      }
    }
  }

  if (mode == Mode::train) {
    const optimizers::LossScaling* scaling = compiled->options.optimizer.base()->loss_scaling();
    const auto has_gradient = append_gradients(
        graph, network, context, loss, scaling != nullptr ? loss_scale_leaf(graph) : Value{});
    {
      const graph::Scope scope(graph, {Origin::Kind::loss, format("loss ", loss_base.name())});
      const bool trains =
          std::find(has_gradient.begin(), has_gradient.end(), true) != has_gradient.end();
      ops::advance(loss, trains ? largest_gradient(graph, network) : Value{},
                   scaling != nullptr ? scaling->growth_steps : 0);
    }
    const graph::Scope scope(graph, {Origin::Kind::optimizer, "optimizer"});
    append_update(graph, network, *compiled->options.optimizer.base(), has_gradient);
    for (const auto& [home, value] : context.updates()) write_guarded(value, home);
  }
  const graph::Scope scope(graph, {Origin::Kind::metric, "metrics"});
  accumulate(graph, additions);
  return step;
}

void resolve_metrics(Compiled& compiled, const Network& network, const BatchSpec& spec) {
  compiled.tracked.clear();
  compiled.tracked.push_back({"loss", 0, 2, nullptr});
  std::size_t next = 2;
  const auto add = [&](const Metric& metric, const std::string& prefix) {
    const Shape y_true = spec.targets.empty() ? Shape{} : spec.targets[0].shape;
    auto resolved = metric.base()->resolve(y_true, network.output().shape);
    if (resolved == nullptr) resolved = metric.base();
    std::string name = metric.name();
    const auto taken = [&] {
      return std::any_of(compiled.tracked.begin(), compiled.tracked.end(),
                         [&](const Tracked& tracked) { return tracked.name == name; });
    };
    if (taken()) name = prefix + name;
    const auto totals = static_cast<std::size_t>(resolved->totals());
    compiled.tracked.push_back({name, next, totals, resolved});
    next += totals;
  };
  for (const Metric& metric : compiled.options.metrics) add(metric, "");
  for (const Metric& metric : compiled.options.weighted_metrics) add(metric, "weighted_");
  compiled.total_count = next;
}

}  // namespace stoker::train
