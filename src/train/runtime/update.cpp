#include "train/runtime/update.h"

#include <algorithm>
#include <functional>
#include <optional>

#include "core/align.h"
#include "initializers/constrain.h"
#include "ops/ops.h"
#include "plan/program.h"
#include "plan/scalar_offsets.h"
#include "plan/scalars.h"

namespace stoker::train {

using graph::Expr;
using graph::Expression;
using graph::Graph;
using graph::Home;
using graph::Space;
using graph::Value;

namespace {

constexpr auto kFloat = static_cast<std::int64_t>(sizeof(float));

Value inverse_loss_scale(Graph& graph) {
  return graph.leaf("inverse_loss_scale", {DType::float32, {}},
                    {Space::scalar, 0, static_cast<std::int64_t>(plan::kInverseLossScaleOffset)});
}

// The number of this step, which is 1 at the first.
Value step_number(Graph& graph) {
  return graph.leaf("iterations", {DType::int32, {}},
                    {Space::scalar, 0, static_cast<std::int64_t>(plan::kIterationsOffset)});
}

// Whether a count is a multiple of this number.
Value is_multiple_of(Value count, std::int64_t number) {
  const auto n = static_cast<float>(number);
  return ops::map(count, [n](Expr t) { return equal(floor(t / n) * n, t); });
}

// A run of weights whose places in the store follow each other as in the model's gradients. One run
// covers all weights unless the model shares its store. Offsets are in elements.
struct Run {
  std::int64_t parameter = 0;
  std::int64_t gradient = 0;
  std::int64_t count = 0;
  DType dtype = DType::float32;    // The type of these weights.
  std::vector<ops::Range> ranges;  // The trained parts, counted from the begin of the run.
};

// Neighbouring weights that are trained become one range. Padding between weights is zero in all
// buffers, and the step may work on it if that leaves it zero.
std::vector<Run> runs_of(const Network& network, const std::vector<bool>& has_gradient,
                         const std::function<float(const Weight&)>& weight_decay, bool keeps_zero) {
  std::vector<Run> runs;
  bool joined = false;
  for (std::size_t i = 0; i < network.weights().size(); ++i) {
    const Weight& weight = network.weights()[i];
    if (!weight.spec.trainable) continue;
    const std::int64_t parameter = weight.home.offset / kFloat;
    const std::int64_t gradient = weight.gradient_offset / kFloat;
    const std::int64_t padded = aligned(weight.count * kFloat) / kFloat;
    // A new run starts where a weight does not follow the last one in the store, or has another
    // type.
    if (runs.empty() || runs.back().parameter + runs.back().count != parameter ||
        runs.back().dtype != weight.dtype) {
      runs.push_back({parameter, gradient, 0, weight.dtype, {}});
      joined = false;
    }
    Run& run = runs.back();
    run.count += padded;
    if (!has_gradient[i]) {
      joined = false;
      continue;
    }
    const std::int64_t begin = parameter - run.parameter;
    const float decay = weight_decay(weight);
    joined = joined && run.ranges.back().value == decay;
    const bool is_adjacent = joined && begin == run.ranges.back().offset + run.ranges.back().count;
    if (joined && (keeps_zero || is_adjacent)) {
      run.ranges.back().count = begin + weight.count - run.ranges.back().offset;
    } else {
      run.ranges.push_back({begin, weight.count, decay});
    }
    joined = true;
  }
  std::erase_if(runs, [](const Run& run) { return run.ranges.empty(); });
  return runs;
}

// What a FlatUpdate does: all of an optimizer's step, or one of the two parts of a step with a
// direction, which takes the place of the gradients in between.
enum class Part { whole, direction, step };

// The step's expression for one element, and the values that are its inputs.
class FlatUpdate final : public optimizers::Update {
 public:
  // `rule` is the one of the optimizer that updates these weights.
  FlatUpdate(Graph& graph, const Network& network, const optimizers::OptimizerBase& optimizer,
             const optimizers::OptimizerBase& rule, const Run& run, Part part)
      : common_(rule.common()),
        part_(part),
        average_(optimizer.average_slot()),
        accumulator_(optimizer.accumulator_slot()),
        first_own_(optimizer.first_own_slot()),
        dtype_(run.dtype) {
    const Shape flat{run.count};
    const auto leaf = [&](const char* name, Home home) {
      return input(graph.leaf(name, {DType::float32, flat}, home));
    };
    homes_.push_back({Space::parameter, 0, run.parameter * kFloat});
    parameter_ = leaf("parameters", homes_[0]);
    gradient_home_ = {Space::gradient, 0, run.gradient * kFloat};
    gradient_ = leaf("gradients", gradient_home_);
    if (optimizer.loss_scaling() != nullptr) {
      if (part != Part::step) gradient_ = gradient_ * input(inverse_loss_scale(graph));
      guard_ = ops::Guard::update;
    }
    // Keras's gradient has the weight's type.
    gradient_ = graph::rounded(gradient_, dtype_);
    if (network.copy_dtype()) {
      copy_dtype_ = network.copy_dtype();
      copy_home_ = {Space::copy, 0, run.parameter * kFloat / 2};
    }
    const auto names = optimizer.slot_names();
    const std::size_t slots = first_own_ + rule.own_slot_names().size();
    for (std::size_t i = 0; i < slots; ++i) {
      const Home home{Space::slot, static_cast<std::int32_t>(i), run.gradient * kFloat};
      homes_.push_back(home);
      slots_.push_back(leaf(names[i].c_str(), home));
    }
    results_.assign(homes_.size(), -1);
    step_ = step_number(graph);
    if (accumulator_) {
      const auto steps = static_cast<float>(*common_.gradient_accumulation_steps);
      update_ = ops::map(step_, [steps](Expr t) { return floor((t - 1.0f) / steps) + 1.0f; });
    } else {
      update_ = step_;
    }
    // `iterations` has been advanced already, and schedules count the steps before this one.
    const LearningRate& rate = common_.learning_rate;
    if (rate.is_schedule()) {
      rate_ = ops::map(step_, [&](Expr t) { return rate.schedule()->rate(t - 1.0f); });
    } else if (!optimizer.members().empty()) {
      rate_ = ops::fill(graph, {}, static_cast<float>(rate.at(0)));
    } else {
      rate_ = graph.leaf("learning_rate", {DType::float32, {}},
                         {Space::scalar, 0, static_cast<std::int64_t>(plan::kLearningRateOffset)});
    }
  }

  Expr parameter() override { return parameter_; }
  Expr gradient() override {
    if (!common_.clipvalue || part_ == Part::step) return gradient_;
    const auto limit = static_cast<float>(*common_.clipvalue);
    return max(min(gradient_, limit), -limit);
  }
  Expr learning_rate() override {
    if (rate_expr_.id < 0) rate_expr_ = graph::rounded(input(rate_), dtype_);
    return rate_expr_;
  }
  Expr slot(int index) override { return slots_[first_own_ + static_cast<std::size_t>(index)]; }
  Expr scalar(const std::function<Expr(Expr, Expr)>& f) override {
    return input(ops::map(rate_, update_, [&](Expr rate, Expr t) {
      const Expr value = f(graph::rounded(rate, dtype_), t);
      value.expression->round_constants(dtype_);
      return graph::rounded(value, dtype_);
    }));
  }
  void set_slot(int index, Expr value) override {
    results_[first_own_ + static_cast<std::size_t>(index) + 1] = value.id;
  }
  void set_parameter(Expr value) override { results_[0] = value.id; }
  void set_direction(Expr value) override { direction_ = value.id; }
  Value rate() const { return rate_; }
  Value update() const { return update_; }

  // Leaves everything as it is in the steps that only add to the sum of gradients, and empties the
  // sum in the others.
  void update_every(std::int64_t steps) {
    const Expr is_update = input(is_multiple_of(step_, steps));
    for (std::size_t i = 0; i < results_.size(); ++i) {
      if (results_[i] < 0) continue;
      const Expr old = i == 0 ? parameter_ : slots_[i - 1];
      results_[i] = select(is_update, Expr{&expression_, results_[i]}, old).id;
    }
    if (part_ == Part::direction) return;
    const Expr sum = slots_[*accumulator_];
    const Expr zero{&expression_, expression_.constant(0.0f)};
    results_[*accumulator_ + 1] = select(is_update, zero, sum).id;
  }

  // Moves the average on, and lets it overwrite the parameter now and then.
  void move_average() {
    const auto momentum = static_cast<float>(common_.ema_momentum);
    // The first average is the parameter itself.
    const Expr keep =
        input(ops::map(update_, [momentum](Expr t) { return momentum * (1.0f - equal(t, 1.0f)); }));
    const Expr parameter{&expression_, results_[0]};
    const Expr average = slots_[*average_] * keep + parameter * (1.0f - keep);
    results_[*average_ + 1] = average.id;
    if (!common_.ema_overwrite_frequency) return;
    const Expr overwrites = input(is_multiple_of(update_, *common_.ema_overwrite_frequency));
    results_[0] = select(overwrites, average, parameter).id;
  }

  void append(std::vector<ops::Range> ranges) {
    // A rule's numbers have the weight's type too, as in Keras: a beta_2 of 0.999 is 1 in bfloat16.
    expression_.round_constants(dtype_);
    if (accumulator_) update_every(*common_.gradient_accumulation_steps);
    if (average_ && part_ != Part::direction) move_average();
    std::vector<Home> homes;
    for (std::size_t i = 0; i < results_.size(); ++i) {
      if (results_[i] < 0) continue;  // A slot that the rule does not change keeps its value.
      expression_.add_output(stored(results_[i]));
      homes.push_back(homes_[i]);
    }
    if (direction_ >= 0) {
      expression_.add_output(stored(direction_));
      homes.push_back(gradient_home_);
    }
    std::vector<DType> dtypes(homes.size(), DType::float32);
    if (copy_dtype_ && part_ != Part::direction) {
      expression_.add_output(expression_.outputs()[0]);
      homes.push_back(copy_home_);
      dtypes.push_back(*copy_dtype_);
    }
    ops::pointwise_into(inputs_, std::move(expression_), std::move(homes),
                        {.ranges = std::move(ranges),
                         .guard = guard_,
                         .keeps_finite = true,
                         .dtypes = std::move(dtypes)});
  }

 private:
  // A new value as it is kept: Keras's weights and slots may be of 16 bits.
  std::int32_t stored(std::int32_t value) {
    return is_16bit(dtype_) ? graph::rounded(Expr{&expression_, value}, dtype_).id : value;
  }

  Expr input(Value value) {
    inputs_.push_back(value);
    return {&expression_, expression_.input(static_cast<int>(inputs_.size()) - 1)};
  }

  const optimizers::Common& common_;
  const Part part_;
  const std::optional<std::size_t> average_, accumulator_;  // The numbers of these slots.
  const std::size_t first_own_;                             // The number of the rule's first slot.
  const DType dtype_;                                       // The type of the weights.
  Expression expression_;
  std::vector<Value> inputs_;
  std::vector<Home> homes_;
  std::vector<std::int32_t> results_;  // Of the parameter and of the slots; -1 where there is none.
  std::int32_t direction_ = -1;
  Home gradient_home_;
  Value rate_;
  // The number of this step, and that of its update, which is t of the formulas. `iterations` has
  // been advanced already.
  Value step_, update_;
  Expr parameter_, gradient_, rate_expr_;
  std::vector<Expr> slots_;
  std::optional<DType> copy_dtype_;
  Home copy_home_;
  ops::Guard guard_ = ops::Guard::error;
};

Value gradient_leaf(Graph& graph, const Weight& weight) {
  return graph.leaf(weight.path, {DType::float32, {weight.count}},
                    {Space::gradient, 0, weight.gradient_offset});
}

Value sum_of_squares(Value x) { return ops::reduce(ops::ReduceKind::sum, x, graph::square, {0}); }

void scale_gradient(Graph& graph, const Weight& weight, Value norm, float limit) {
  const auto clipped = [&](Expr gradient, Expr by) { return gradient * limit / max(by, limit); };
  ops::pointwise_into(gradient_leaf(graph, weight), norm, clipped,
                      {Space::gradient, 0, weight.gradient_offset});
}

// Applies clipnorm to each weight by itself, and global_clipnorm to the norm of all.
void append_norm_clipping(Graph& graph, const Network& network,
                          const optimizers::OptimizerBase& optimizer,
                          const optimizers::Common& common, const std::vector<bool>& has_gradient) {
  if (!common.clipnorm && !common.global_clipnorm) return;
  Value total;
  std::vector<std::pair<const Weight*, Value>> squares;
  for (std::size_t i = 0; i < network.weights().size(); ++i) {
    if (!has_gradient[i]) continue;
    const Weight& weight = network.weights()[i];
    const Value sum = sum_of_squares(gradient_leaf(graph, weight));
    squares.emplace_back(&weight, sum);
    total = total ? ops::add(total, sum) : sum;
  }
  // Gradients are still scaled here. Norms are unscaled, because limits are compared with them.
  const bool is_scaled = optimizer.loss_scaling() != nullptr;
  const auto root = [&](Value x) {
    if (!is_scaled) return ops::map(x, [](Expr s) { return sqrt(s); });
    return ops::map(x, inverse_loss_scale(graph),
                    [](Expr s, Expr inverse) { return sqrt(s) * inverse; });
  };
  const Value global = common.global_clipnorm && total ? root(total) : Value{};
  for (const auto& [weight, sum] : squares) {
    const Value norm = global ? global : root(sum);
    const double limit = global ? *common.global_clipnorm : *common.clipnorm;
    scale_gradient(graph, *weight, norm, static_cast<float>(limit));
  }
}

// Adds the gradients to their sums, and puts the sums' means in their place, which the update sees
// if it is one. Sums are not scaled as the loss is.
void append_accumulation(Graph& graph, const optimizers::OptimizerBase& optimizer,
                         const std::vector<Run>& runs) {
  if (!optimizer.accumulator_slot()) return;
  const auto steps = static_cast<float>(*optimizer.common().gradient_accumulation_steps);
  const bool is_scaled = optimizer.loss_scaling() != nullptr;
  for (const Run& run : runs) {
    const Home gradient{Space::gradient, 0, run.gradient * kFloat};
    const Home sum{Space::slot, static_cast<std::int32_t>(*optimizer.accumulator_slot()),
                   run.gradient * kFloat};
    const Shape flat{run.count};
    std::vector<Value> inputs{graph.leaf("gradients", {DType::float32, flat}, gradient),
                              graph.leaf("gradient_accumulator", {DType::float32, flat}, sum)};
    if (is_scaled) inputs.push_back(inverse_loss_scale(graph));
    Expression expression;
    const Expr given{&expression, expression.input(0)};
    const Expr before{&expression, expression.input(1)};
    const Expr unscaled = is_scaled ? given * Expr{&expression, expression.input(2)} : given;
    const Expr all = before + unscaled;
    const Expr mean = all / steps;
    expression.add_output((is_scaled ? mean / Expr{&expression, expression.input(2)} : mean).id);
    expression.add_output(all.id);
    std::vector<ops::Range> ranges = run.ranges;
    ops::pointwise_into(
        inputs, std::move(expression), {gradient, sum},
        {.ranges = std::move(ranges), .guard = is_scaled ? ops::Guard::update : ops::Guard::error});
  }
}

// A rule's own slots of one weight.
class SlotsOfWeight {
 public:
  SlotsOfWeight(Graph& graph, const optimizers::OptimizerBase& optimizer,
                const optimizers::OptimizerBase& rule, const Weight& weight)
      : graph_(graph), optimizer_(optimizer), rule_(rule), weight_(weight) {}

  Value value(int index) const {
    const auto own = static_cast<std::size_t>(index);
    return graph_.leaf(rule_.own_slot_names()[own],
                       {DType::float32, *rule_.own_slot_shape(own, weight_.spec.shape)}, home(own));
  }
  // The slot keeps its value in steps that are no update.
  void set(int index, Value value) const {
    std::vector<Value> inputs{value};
    Expression expression;
    Expr made{&expression, expression.input(0)};
    made = graph::rounded(made, weight_.dtype);
    if (const auto& steps = optimizer_.common().gradient_accumulation_steps) {
      inputs.push_back(this->value(index));
      inputs.push_back(is_multiple_of(step_number(graph_), *steps));
      const Expr old{&expression, expression.input(1)};
      made = select(Expr{&expression, expression.input(2)}, made, old);
    }
    expression.add_output(made.id);
    const bool is_scaled = optimizer_.loss_scaling() != nullptr;
    ops::pointwise_into(
        inputs, std::move(expression), {home(static_cast<std::size_t>(index))},
        {.guard = is_scaled ? ops::Guard::update : ops::Guard::error, .keeps_finite = true});
  }

 private:
  Home home(std::size_t own) const {
    return {Space::slot, static_cast<std::int32_t>(optimizer_.first_own_slot() + own),
            weight_.gradient_offset};
  }

  Graph& graph_;
  const optimizers::OptimizerBase& optimizer_;
  const optimizers::OptimizerBase& rule_;
  const Weight& weight_;
};

// Puts the optimizer's direction in the place of the gradients.
void append_direction(Graph& graph, const Network& network,
                      const optimizers::OptimizerBase& optimizer,
                      const optimizers::OptimizerBase& rule, const std::vector<bool>& has_gradient,
                      const std::vector<Run>& runs,
                      const std::function<float(const Weight&)>& weight_decay) {
  Value rate, update_number;
  for (const Run& run : runs) {
    FlatUpdate update(graph, network, optimizer, rule, run, Part::direction);
    rule.prepare(update);
    rate = update.rate();
    update_number = update.update();
    update.append(run.ranges);
  }
  for (std::size_t i = 0; i < network.weights().size(); ++i) {
    if (!has_gradient[i]) continue;
    const Weight& weight = network.weights()[i];
    Value parameter = graph.leaf(weight.path, {DType::float32, {weight.count}}, weight.home);
    if (const float decay = weight_decay(weight); decay != 0.0f) {
      parameter =
          ops::map(parameter, rate, [decay](Expr w, Expr by) { return w - w * decay * by; });
    }
    const SlotsOfWeight slots(graph, optimizer, rule, weight);
    const Value made =
        rule.direction({weight.spec.shape, parameter, gradient_leaf(graph, weight), rate,
                        update_number, [&](int index) { return slots.value(index); },
                        [&](int index, Value value) { slots.set(index, value); }});
    ops::pointwise_into({made}, graph::identity(), {{Space::gradient, 0, weight.gradient_offset}});
  }
}

// Moves the weights that have a constraint to where it allows them to be. As in Keras this follows
// the moving average.
void append_constraints(Graph& graph, const Network& network,
                        const optimizers::OptimizerBase& optimizer,
                        const std::vector<bool>& has_gradient) {
  for (std::size_t i = 0; i < network.weights().size(); ++i) {
    const Weight& weight = network.weights()[i];
    if (!weight.spec.constraint || !has_gradient[i]) continue;
    const Value leaf = graph.leaf(weight.path, {DType::float32, weight.spec.shape}, weight.home);
    const Value factor = constraint_factor(weight.spec.constraint, leaf);
    Expression expression;
    const Expr old{&expression, expression.input(0)};
    const Expr moved = graph::rounded(old * Expr{&expression, expression.input(1)}, weight.dtype);
    std::vector<Home> homes{weight.home};
    std::vector<DType> dtypes{DType::float32};
    if (network.copy_dtype()) {
      homes.push_back(Network::copy_home(weight));
      dtypes.push_back(*network.copy_dtype());
    }
    for (std::size_t k = 0; k < homes.size(); ++k) expression.add_output(moved.id);
    const bool is_scaled = optimizer.loss_scaling() != nullptr;
    ops::pointwise_into({leaf, factor}, std::move(expression), std::move(homes),
                        {.guard = is_scaled ? ops::Guard::update : ops::Guard::error,
                         .keeps_finite = true,
                         .dtypes = std::move(dtypes)});
  }
}

// What one rule of the optimizer updates.
struct Updates {
  const optimizers::OptimizerBase* rule;
  std::vector<bool> has_gradient;  // Of these weights alone.
  std::function<float(const Weight&)> decay;
  std::vector<Run> runs{};
};

std::vector<Updates> updates_of(const Network& network, const optimizers::OptimizerBase& optimizer,
                                const std::vector<bool>& has_gradient,
                                const std::vector<std::string>& without_decay) {
  std::vector<Updates> all;
  for (std::size_t i = 0; i < network.weights().size(); ++i) {
    if (!has_gradient[i]) continue;
    const optimizers::OptimizerBase& rule =
        optimizer.rule_for(network.updated(network.weights()[i]));
    auto own = std::ranges::find(all, &rule, &Updates::rule);
    if (own == all.end()) {
      const auto decay = [&without_decay, &rule](const Weight& weight) {
        const auto names = [&](const std::string& part) {
          return weight.spec.name.find(part) != std::string::npos;
        };
        if (std::ranges::any_of(without_decay, names)) return 0.0f;
        return static_cast<float>(rule.common().weight_decay.value_or(0.0));
      };
      own = all.insert(all.end(), {&rule, std::vector<bool>(has_gradient.size(), false), decay});
    }
    own->has_gradient[i] = true;
  }
  for (Updates& own : all) {
    own.runs = runs_of(network, own.has_gradient, own.decay, own.rule->keeps_zero());
  }
  return all;
}

}  // namespace

Value largest_gradient(Graph& graph, const Network& network) {
  const Value gradients = graph.leaf(
      "gradients", {DType::float32, {network.parameter_bytes() / kFloat}}, {Space::gradient, 0, 0});
  const auto magnitude = [](Expr x) { return abs(x); };
  return ops::reduce(ops::ReduceKind::max, gradients, magnitude, {0});
}

Value largest_gradient(Graph& graph, const Network& network,
                       const std::vector<bool>& has_gradient) {
  const auto no_decay = [](const Weight&) { return 0.0f; };
  const auto magnitude = [](Expr x) { return abs(x); };
  Value largest;
  for (const Run& run : runs_of(network, has_gradient, no_decay, true)) {
    for (const ops::Range& range : run.ranges) {
      const Value part =
          graph.leaf("gradients", {DType::float32, {range.count}},
                     {Space::gradient, 0, (run.gradient + range.offset) * kFloat});
      const Value own = ops::reduce(ops::ReduceKind::max, part, magnitude, {0});
      largest = largest ? ops::map(largest, own, [](Expr a, Expr b) { return a + b; }) : own;
    }
  }
  return largest;
}

void append_update(Graph& graph, const Network& network, const optimizers::OptimizerBase& optimizer,
                   const std::vector<bool>& has_gradient,
                   const std::vector<std::string>& without_decay) {
  std::vector<Updates> all = updates_of(network, optimizer, has_gradient, without_decay);
  if (all.empty()) return;  // No weight is trained.
  for (const Updates& own : all) append_accumulation(graph, optimizer, own.runs);
  // Norms are those of an optimizer's own weights.
  const std::vector<const optimizers::OptimizerBase*> members = optimizer.members();
  if (members.empty()) {
    append_norm_clipping(graph, network, optimizer, optimizer.common(), has_gradient);
  } else {
    for (const Updates& own : all) {
      append_norm_clipping(graph, network, optimizer, own.rule->common(), own.has_gradient);
    }
  }
  for (Updates& own : all) {
    const optimizers::OptimizerBase& rule = *own.rule;
    if (rule.has_direction()) {
      append_direction(graph, network, optimizer, rule, own.has_gradient, own.runs, own.decay);
    }
    for (Run& run : own.runs) {
      FlatUpdate update(graph, network, optimizer, rule, run,
                        rule.has_direction() ? Part::step : Part::whole);
      optimizers::build(rule, update);
      update.append(std::move(run.ranges));
    }
  }
  append_constraints(graph, network, optimizer, has_gradient);
}

}  // namespace stoker::train
