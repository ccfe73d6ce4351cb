#include "train/runtime/step_graph.h"

#include <algorithm>
#include <set>

#include "core/fnv.h"
#include "core/format.h"
#include "losses/loss.h"
#include "metrics/metric.h"
#include "ops/ops.h"
#include "plan/autodiff.h"
#include "plan/scalar_offsets.h"
#include "plan/scalars.h"
#include "stoker/error.h"
#include "train/runtime/update.h"

namespace stoker::train {

using graph::Graph;
using graph::Home;
using graph::Origin;
using graph::Space;
using graph::Value;

namespace {

// The context that layers see while a step is built.
class StepContext final : public layers::BuildContext {
 public:
  using Updates = std::vector<std::pair<Home, Value>>;

  StepContext(Graph& graph, const Network& network, const Compiled* compiled, Mode mode)
      : graph_(graph), network_(network), compiled_(compiled), mode_(mode) {}

  Graph& graph() override { return graph_; }
  bool training() const override { return mode_ == Mode::train; }
  DType compute_dtype() const override { return network_.compute_dtype(layer()); }
  bool trainable() const override {
    return compiled_ == nullptr || !compiled_->frozen.contains(&layer());
  }

  Value weight(const layers::WeightSpec& spec) override {
    const Weight& weight = network_.weight(layer(), spec.name);
    auto& leaf = leaves_[static_cast<std::size_t>(&weight - network_.weights().data())];
    if (!leaf) {
      leaf = graph_.leaf(weight.path, {DType::float32, weight.spec.shape}, weight.home);
      // Keras penalises trainable weights only.
      if (weight.spec.regularizer && trainable()) {
        penalties_.emplace_back(weight.home, losses_.size());
        add_loss(layers::penalty(weight.spec.regularizer, leaf));
      }
    }
    // When a layer is called again, it continues from the state that its earlier calls have made.
    if (const Value* moved = pending_update(weight.home)) {
      return spec.autocast ? ops::cast(*moved, compute_dtype()) : *moved;
    }
    const bool is_copied = weight.spec.trainable && network_.copy_dtype() == compute_dtype();
    if (!spec.autocast) return leaf;
    return is_copied ? copy_of(weight) : ops::cast(leaf, compute_dtype());
  }
  void update(const layers::WeightSpec& spec, Value value) override {
    const Weight& weight = network_.weight(layer(), spec.name);
    const Home home = weight.home;
    if (is_16bit(weight.dtype)) value = ops::to_float(ops::cast(value, weight.dtype));
    set(weight.spec.trainable ? replaced_ : updates_, home, value);
    // The penalty is on the value that the step uses.
    for (const auto& [penalised, loss] : penalties_) {
      if (penalised == home) losses_[loss] = layers::penalty(weight.spec.regularizer, value);
    }
  }
  void keep(const layers::WeightSpec& spec, Value value) override {
    set(kept_, network_.weight(layer(), spec.name).home, ops::to_float(value));
  }
  void add_loss(Value loss) override { losses_.push_back(loss); }

  // Streams below 2^31 belong to layers. The first sixteen of a call by the model itself are
  // numbered by the call's place. All others get a number from their path, and the next free one
  // where it is taken.
  std::uint32_t random_stream(std::uint32_t purpose) override {
    constexpr std::uint32_t kPurposes = 16;
    constexpr std::uint32_t kFirstByPath = 1U << 30;
    if (frames().size() == 1 && purpose < kPurposes) {
      return frames()[0].number * kPurposes + purpose + 1;
    }
    std::uint32_t hash = fnv1a(purpose, kFnvBasis);
    for (const Frame& frame : frames()) {
      hash = fnv1a(frame.number, fnv1a(frame.layer->name(), hash));
    }
    std::uint32_t stream = kFirstByPath | (hash & (kFirstByPath - 1));
    while (!streams_.insert(stream).second) {
      stream = kFirstByPath | ((stream + 1) & (kFirstByPath - 1));
    }
    return stream;
  }

  // The leaf of each weight, invalid where no layer asked for it. Copies are the same weights in 16
  // bits, so a weight gets the gradients of both.
  const std::vector<Value>& leaves() const { return leaves_; }
  const std::vector<Value>& copies() const { return copies_; }
  const Updates& updates() const { return updates_; }
  // The values that trained weights have from the beginning of the step on, in place of those that
  // they had.
  const Updates& replaced() const { return replaced_; }
  // What is written after steps of any mode.
  const Updates& kept() const { return kept_; }
  const std::vector<Value>& losses() const { return losses_; }

 private:
  // The value that a weight will have after the part of the step that is built so far. Null where
  // it still has its old value.
  const Value* pending_update(const Home& home) const {
    for (const Updates* updates : {&updates_, &replaced_, &kept_}) {
      for (const auto& [updated, value] : *updates) {
        if (updated == home) return &value;
      }
    }
    return nullptr;
  }
  static void set(Updates& updates, const Home& home, Value value) {
    for (auto& [updated, earlier] : updates) {
      if (updated == home) {
        earlier = value;
        return;
      }
    }
    updates.push_back({home, value});
  }

  Value copy_of(const Weight& weight) {
    auto& copy = copies_[static_cast<std::size_t>(&weight - network_.weights().data())];
    if (!copy) {
      copy = graph_.leaf(weight.path, {*network_.copy_dtype(), weight.spec.shape},
                         Network::copy_home(weight));
    }
    return copy;
  }

  graph::Origin origin_of(const layers::LayerBase& layer) const override {
    return {Origin::Kind::layer, network_.label_of(layer)};
  }

  Graph& graph_;
  const Network& network_;
  const Compiled* compiled_;
  Mode mode_;
  std::set<std::uint32_t> streams_;  // The streams that are taken.
  std::vector<Value> leaves_ = std::vector<Value>(network_.weights().size());
  std::vector<Value> copies_ = leaves_;
  Updates updates_, replaced_, kept_;
  std::vector<Value> losses_;
  std::vector<std::pair<Home, std::size_t>> penalties_;  // Of weights, by their places in losses_.
};

Value field_leaf(Graph& graph, const Field& field, std::size_t offset, std::int64_t rows) {
  Shape shape = field.shape;
  shape[0] = rows;
  return graph.leaf(field.name, {field.dtype, shape},
                    {Space::input, 0, static_cast<std::int64_t>(offset)});
}

// As in Keras, an input may have a last axis of one channel where the model has none, or lack it
// where the model has one.
Value fit_input(Value x, const layers::InputLayer& input) {
  const std::int64_t batch = x.shape()[0];
  if (input.batch != Shape::kUnknown && batch != input.batch) {
    throw ShapeError(format(input.label(), ": expected batches of ", input.batch,
                            " samples, its batch_size, received ", batch));
  }
  const Shape wanted = input.shape.with_batch(batch);
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
  for (const Value& extra : context.losses()) total = ops::add(total, extra);
  return total;
}

// The values that a batch adds to the totals, in the order of `tracked`.
std::vector<Value> append_metrics(Graph& graph, const Compiled& compiled,
                                  const std::vector<OutputValues>& outputs, Value loss,
                                  std::int64_t rows) {
  const graph::Scope scope(graph, {Origin::Kind::metric, "metrics"});
  const auto batch = static_cast<float>(rows);
  std::vector<Value> additions;
  for (const Tracked& tracked : compiled.tracked) {
    if (tracked.which > 0) continue;  // The first result of the metric has built the totals of all.
    if (tracked.metric == nullptr) {
      const Value mean = tracked.output ? outputs[*tracked.output].loss : loss;
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

// Writes the values that layers gave to trained weights, which the optimizer moves on from.
void write_replaced(const Network& network, const StepContext& context) {
  for (const auto& [home, value] : context.replaced()) {
    std::vector<Home> homes{home};
    std::vector<DType> dtypes{DType::float32};
    if (network.copy_dtype()) {
      const auto is_it = [&home = home](const Weight& weight) { return weight.home == home; };
      homes.push_back(Network::copy_home(*std::ranges::find_if(network.weights(), is_it)));
      dtypes.push_back(*network.copy_dtype());
    }
    graph::Expression expression;
    const std::int32_t input = expression.input(0);
    for (std::size_t i = 0; i < homes.size(); ++i) expression.add_output(input);
    ops::pointwise_into(
        {value}, std::move(expression), std::move(homes),
        {.guard = ops::Guard::error, .keeps_finite = true, .dtypes = std::move(dtypes)});
  }
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

// Appends the gradients of all trainable weights, which are written to their segments of the
// gradient buffer.
std::vector<bool> append_gradients(Graph& graph, const Network& network, const StepContext& context,
                                   const Compiled& compiled, Value loss, Value seed) {
  std::vector<std::size_t> wanted;
  std::vector<Value> parameters;  // There are two values for each weight: the weight and its copy.
  for (std::size_t i = 0; i < network.weights().size(); ++i) {
    const Weight& weight = network.weights()[i];
    Value leaf = context.leaves()[i];
    if (!leaf || !weight.spec.trainable || compiled.frozen.contains(weight.layer)) continue;
    for (const auto& [home, value] : context.replaced()) {
      if (home == weight.home) leaf = value;
    }
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
    const Home home{Space::gradient, 0, network.weights()[wanted[k]].gradient_offset};
    const graph::ValueInfo& info = graph.info(gradient.id);
    // A gradient that is a leaf, or also the gradient of another weight, is copied; a 16-bit one is
    // converted.
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
  StepContext context(graph, network, compiled, mode);
  const auto predicted = forward(context, network.topology(), spec, offsets, rows);
  if (mode == Mode::predict) {
    for (const layers::MaskedValue& output : predicted) {
      // A model may return its input, or one value twice. Each result has to be a node's own, so
      // such values are copied.
      const bool is_own =
          graph.info(output.value.id).node >= 0 &&
          std::find(step.keep.begin(), step.keep.end(), output.value.id) == step.keep.end();
      step.keep.push_back(is_own ? output.value.id
                                 : ops::map(output.value, [](graph::Expr x) { return x; }).id);
    }
    write_kept(graph, context);
    return step;
  }

  const std::vector<OutputFields> fields = fields_of_outputs(*compiled, spec);
  std::vector<Value> targets, sample_weights;
  for (std::size_t i = 0; i < spec.targets.size(); ++i) {
    targets.push_back(field_leaf(graph, spec.targets[i], offsets[spec.target_field(i)], rows));
  }
  for (std::size_t i = 0; i < spec.sample_weights.size(); ++i) {
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
  const Value loss = append_losses(context, *compiled, outputs);
  const std::vector<Value> additions = append_metrics(graph, *compiled, outputs, loss, rows);

  if (mode == Mode::train) {
    const optimizers::LossScaling* scaling = compiled->options.optimizer.base()->loss_scaling();
    const auto has_gradient =
        append_gradients(graph, network, context, *compiled, loss,
                         scaling != nullptr ? loss_scale_leaf(graph) : Value{});
    {
      const graph::Scope scope(graph, loss_origin(*compiled));
      const bool trains =
          std::find(has_gradient.begin(), has_gradient.end(), true) != has_gradient.end();
      ops::advance(loss, trains ? largest_gradient(graph, network) : Value{},
                   scaling != nullptr ? scaling->growth_steps : 0);
    }
    const graph::Scope scope(graph, {Origin::Kind::optimizer, "optimizer"});
    write_replaced(network, context);
    append_update(graph, network, *compiled->options.optimizer.base(), has_gradient,
                  compiled->options.optimizer.excluded_from_weight_decay());
    for (const auto& [home, value] : context.updates()) write_guarded(value, home);
  }
  write_kept(graph, context);
  const graph::Scope scope(graph, {Origin::Kind::metric, "metrics"});
  accumulate(graph, additions, compiled->total_count);
  return step;
}

}  // namespace stoker::train
