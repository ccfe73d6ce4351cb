#include "train/runtime/step_graph.h"

#include <algorithm>
#include <optional>

#include "core/format.h"
#include "losses/loss.h"
#include "metrics/metric.h"
#include "ops/ops.h"
#include "plan/scalar_offsets.h"
#include "plan/scalars.h"
#include "stoker/error.h"
#include "train/runtime/gradients.h"
#include "train/runtime/own_step.h"
#include "train/runtime/step_context.h"
#include "train/runtime/update.h"

namespace stoker::train {

using graph::Graph;
using graph::Home;
using graph::Origin;
using graph::Space;
using graph::Value;

namespace {

std::vector<layers::MaskedValue> forward(StepContext& context, const Topology& topology,
                                         const BatchSpec& spec,
                                         const std::vector<std::size_t>& offsets,
                                         std::int64_t rows) {
  Graph& graph = context.graph();
  if (spec.inputs.size() != topology.inputs().size()) {
    throw ShapeError(format("the model has ", topology.inputs().size(),
                            " inputs, the source gives ", spec.inputs.size()));
  }
  std::vector<layers::MaskedValue> inputs;
  for (std::size_t i = 0; i < spec.inputs.size(); ++i) {
    const Value leaf = field_leaf(graph, spec.inputs[i], offsets[i], rows);
    const layers::InputLayer& input = topology.input(i);
    const graph::Scope scope(graph, {Origin::Kind::layer, topology.label_of(input)});
    const Value x = fit_input(leaf, input);
    inputs.push_back({input.dtype == DType::float32 ? ops::to_float(x) : x});
  }
  std::vector<layers::MaskedValue> outputs = topology.build(context, inputs);
  for (layers::MaskedValue& output : outputs) output.value = ops::to_float(output.value);
  return outputs;
}

// The sum of the losses has the name of the only loss if there is just one.
Origin loss_origin(const Compiled& compiled) {
  const bool is_alone = compiled.outputs.size() == 1 && compiled.outputs[0].loss;
  return {Origin::Kind::loss,
          is_alone ? format("loss ", compiled.outputs[0].loss.base()->name()) : "loss"};
}

// The values with which one output is trained and measured.
struct OutputValues {
  layers::MaskedValue predicted;
  Value target;         // Invalid where there is none.
  Value sample_weight;  // Invalid where there is none.
  Value loss;           // Invalid where there is none.
};

// Sets the losses of the outputs, and returns their weighted sum with the losses that layers add.
Value append_losses(StepContext& context, const Compiled& compiled,
                    std::vector<OutputValues>& outputs) {
  Value total;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    OutputValues& output = outputs[i];
    const CompiledOutput& own = compiled.outputs[i];
    if (!own.loss) continue;
    const losses::LossBase& base = *own.loss.base();
    const graph::Scope scope(context.graph(), {Origin::Kind::loss, format("loss ", base.name())});
    output.loss = losses::compute(base, output.target, output.predicted.value, output.sample_weight,
                                  output.predicted.mask);
    Value weighted = output.loss;
    if (own.loss_weight != 1.0) {
      const auto weight = static_cast<float>(own.loss_weight);
      weighted = ops::map(weighted, [weight](graph::Expr x) { return x * weight; });
    }
    total = total ? ops::add(total, weighted) : weighted;
  }
  const graph::Scope scope(context.graph(), loss_origin(compiled));
  for (const StepContext::AddedLoss& extra : context.losses()) {
    total = total ? ops::add(total, extra.value) : extra.value;
  }
  return total;
}

// The values that a batch adds to the totals, in the order of `tracked`.
std::vector<Value> append_metrics(const StepContext& context, Graph& graph,
                                  const Compiled& compiled,
                                  const std::vector<OutputValues>& outputs, Value loss,
                                  std::int64_t rows) {
  const graph::Scope scope(graph, {Origin::Kind::metric, "metrics"});
  const auto batch = static_cast<float>(rows);
  std::vector<Value> additions;
  for (const Tracked& tracked : compiled.tracked) {
    if (tracked.which > 0) continue;  // The first result of the metric has built the totals of all.
    if (tracked.metric == nullptr) {
      Value mean = tracked.output ? outputs[*tracked.output].loss : loss;
      if (tracked.layer != nullptr) mean = context.report_of(tracked.layer, tracked.name_in_layer);
      additions.push_back(ops::map(mean, [batch](graph::Expr x) { return x * batch; }));
      additions.push_back(ops::fill(graph, {}, batch));
      continue;
    }
    const OutputValues& output = outputs[*tracked.output];
    const graph::Scope inner(graph, {Origin::Kind::metric, format("metric ", tracked.name)});
    const Value weight = losses::masked_weight(tracked.is_weighted ? output.sample_weight : Value{},
                                               output.predicted.mask);
    for (const Value& value :
         tracked.metric->build(output.target, output.predicted.value, weight)) {
      additions.push_back(value);
    }
  }
  return additions;
}

// Adds to totals in the device's memory. Behind the totals lie their corrections, which collect
// what the additions lose in float32 (Knuth's two-sum), so that epochs of millions of steps do not
// drift.
class Accumulation {
 public:
  explicit Accumulation(Graph& graph) : graph_(graph) {}

  // Adds a value, whose elements belong to the totals from number `total` on, and to the
  // corrections from number `correction` on.
  void add(Value addition, std::size_t total, std::size_t correction) {
    const auto home = [](std::size_t at) {
      return Home{Space::metric, 0, static_cast<std::int64_t>(at * sizeof(float))};
    };
    const auto leaf = [&](const char* name, std::size_t at) {
      return input(graph_.leaf(name, {DType::float32, addition.shape()}, home(at)));
    };
    const graph::Expr old_total = leaf("total", total);
    const graph::Expr old_correction = leaf("correction", correction);
    const graph::Expr added = input(addition);
    const graph::Expr sum = old_total + added;
    const graph::Expr taken = sum - old_total;
    const graph::Expr lost = (old_total - (sum - taken)) + (added - taken);
    homes_.push_back(home(total));
    expression_.add_output(sum.id);
    homes_.push_back(home(correction));
    expression_.add_output((old_correction + lost).id);
  }
  // Appends the op.
  void append() && {
    if (inputs_.empty()) return;
    ops::pointwise_into(inputs_, std::move(expression_), homes_, {.guard = ops::Guard::error});
  }

 private:
  graph::Expr input(Value value) {
    inputs_.push_back(value);
    return {&expression_, expression_.input(static_cast<int>(inputs_.size()) - 1)};
  }

  Graph& graph_;
  std::vector<Value> inputs_;
  std::vector<Home> homes_;
  graph::Expression expression_;
};

// Appends totals += additions: all single numbers in one op, and each value of several in its own.
void accumulate(Graph& graph, const std::vector<Value>& additions, std::size_t totals) {
  Accumulation singles(graph);
  std::size_t total = 0;
  for (const Value& addition : additions) {
    if (addition.shape().rank() == 0) {
      singles.add(addition, total, totals + total);
      ++total;
      continue;
    }
    const std::int64_t elements = addition.shape().elements();
    Accumulation several(graph);
    several.add(ops::reshape(addition, {elements}), total, totals + total);
    std::move(several).append();
    total += static_cast<std::size_t>(elements);
  }
  std::move(singles).append();
}

void write_guarded(Value value, Home home) {
  ops::pointwise_into({value}, graph::identity(), {home},
                      {.guard = ops::Guard::error, .keeps_finite = true});
}

void write_kept(Graph& graph, const StepContext& context) {
  const graph::Scope scope(graph, {Origin::Kind::layer, "states"});
  for (const auto& [home, value] : context.kept()) {
    ops::pointwise_into({value}, graph::identity(), {home}, {.guard = ops::Guard::error});
  }
}

// The gradient of the loss itself, when the loss is scaled.
Value loss_scale_leaf(Graph& graph) {
  return graph.leaf("loss_scale", {DType::float32, {}},
                    {Space::scalar, 0, static_cast<std::int64_t>(plan::kLossScaleOffset)});
}

}  // namespace

namespace {

// The targets of a step of the program's own.
std::vector<Value> own_targets(Graph& graph, const Compiled& compiled, const BatchSpec& spec,
                               const std::vector<std::size_t>& offsets, std::int64_t rows) {
  std::vector<Value> targets;
  for (std::size_t i = 0; i < compiled.own_targets->size(); ++i) {
    const layers::InputLayer& declared = *(*compiled.own_targets)[i];
    const Value leaf = field_leaf(graph, spec.targets[i], offsets[spec.target_field(i)], rows);
    const Value x = fit_input(leaf, declared);
    targets.push_back(declared.dtype == DType::float32 ? ops::to_float(x) : x);
  }
  return targets;
}

// Keeps the values of a prediction. A model may return its input, or one value twice. Each result
// has to be a node's own, so such values are copied.
void keep_outputs(StepGraph& step, const std::vector<layers::MaskedValue>& outputs) {
  for (const layers::MaskedValue& output : outputs) {
    const bool is_own =
        step.graph->info(output.value.id).node >= 0 &&
        std::find(step.keep.begin(), step.keep.end(), output.value.id) == step.keep.end();
    step.keep.push_back(is_own ? output.value.id
                               : ops::map(output.value, [](graph::Expr x) { return x; }).id);
  }
}

// The gradients, the update and what layers write, for a step that compile() has described.
void append_training(StepContext& context, const Network& network, const Compiled& compiled,
                     Value loss) {
  Graph& graph = context.graph();
  const optimizers::OptimizerBase& optimizer = *compiled.options.optimizer.base();
  const optimizers::LossScaling* scaling = optimizer.loss_scaling();
  const std::vector<std::size_t> weights = trained_weights(network, context, compiled);
  const std::vector<Value> gradients =
      gradients_of(graph, network, context, weights, loss,
                   scaling != nullptr ? loss_scale_leaf(graph) : Value{});
  std::vector<bool> has_gradient(network.weights().size(), false);
  for (std::size_t k = 0; k < weights.size(); ++k) {
    if (!gradients[k]) continue;
    has_gradient[weights[k]] = true;
    write_gradient(graph, network.weights()[weights[k]], gradients[k]);
  }
  {
    const graph::Scope scope(graph, loss_origin(compiled));
    const bool trains =
        std::find(has_gradient.begin(), has_gradient.end(), true) != has_gradient.end();
    ops::advance(loss, trains ? largest_gradient(graph, network) : Value{},
                 scaling != nullptr ? scaling->growth_steps : 0);
  }
  const graph::Scope scope(graph, {Origin::Kind::optimizer, "optimizer"});
  write_replaced(network, context.replaced());
  append_update(graph, network, optimizer, has_gradient,
                compiled.options.optimizer.excluded_from_weight_decay());
}

}  // namespace

StepGraph build_step(const Network& network, const Compiled* compiled, Mode mode,
                     const BatchSpec& spec, const std::vector<std::size_t>& offsets,
                     std::int64_t rows) {
  StepGraph step{std::make_unique<Graph>(), {}};
  Graph& graph = *step.graph;
  StepContext context(graph, network, compiled, mode);
  std::optional<OwnStepBuilder> own;
  if (mode != Mode::predict && compiled->own_targets != nullptr) {
    own.emplace(graph, network, compiled, context, mode,
                own_targets(graph, *compiled, spec, offsets, rows));
    context.set_own_step(&*own);
  }
  const auto predicted = forward(context, network.topology(), spec, offsets, rows);
  if (mode == Mode::predict) {
    keep_outputs(step, predicted);
    write_kept(graph, context);
    return step;
  }

  const std::vector<OutputFields> fields = fields_of_outputs(*compiled, spec);
  std::vector<Value> targets, sample_weights;
  for (std::size_t i = 0; !own && i < spec.targets.size(); ++i) {
    targets.push_back(field_leaf(graph, spec.targets[i], offsets[spec.target_field(i)], rows));
  }
  for (std::size_t i = 0; !own && i < spec.sample_weights.size(); ++i) {
    sample_weights.push_back(
        field_leaf(graph, spec.sample_weights[i], offsets[spec.sample_weight_field(i)], rows));
  }
  std::vector<OutputValues> outputs;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    OutputValues& output = outputs.emplace_back();
    output.predicted = predicted[i];
    if (fields[i].target) output.target = targets[*fields[i].target];
    if (fields[i].sample_weight) output.sample_weight = sample_weights[*fields[i].sample_weight];
  }
  const Value loss = own ? own->loss() : append_losses(context, *compiled, outputs);
  if (!loss) {
    throw ValueError(format(own ? "TrainingStep: minimizes a loss"
                                : "Model: has layers that add a loss",
                            " when shapes are checked, and none when it ",
                            mode == Mode::train ? "trains" : "evaluates",
                            ". Losses are computed in every call, whether it trains or not"));
  }
  const std::vector<Value> additions =
      append_metrics(context, graph, *compiled, outputs, loss, rows);

  if (mode == Mode::train) {
    if (!own) append_training(context, network, *compiled, loss);
    const graph::Scope scope(graph, {Origin::Kind::optimizer, "optimizer"});
    if (own) {
      write_replaced(network, context.replaced());
      own->finish();
    }
    for (const auto& [home, value] : context.updates()) write_guarded(value, home);
  }
  write_kept(graph, context);
  const graph::Scope scope(graph, {Origin::Kind::metric, "metrics"});
  accumulate(graph, additions, compiled->total_count);
  return step;
}

}  // namespace stoker::train
