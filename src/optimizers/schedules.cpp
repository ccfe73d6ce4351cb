// The schedules, their checks, and their configurations.
#include <array>
#include <cmath>
#include <memory>
#include <numbers>
#include <string_view>

#include "core/check.h"
#include "core/format.h"
#include "optimizers/schedule.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using graph::Expr;
using optimizers::ScheduleBase;

constexpr float kPi = std::numbers::pi_v<float>;

// Steps and rates are checked as the float32 that the step computes with.
void require(const char* schedule, const char* name, double value, check::Range range) {
  check::require(schedule, name, static_cast<float>(value), range);
}
void require_rate(const char* schedule, const char* name, double value) {
  require(schedule, name, value, check::at_least(0));
}
void require_steps(const char* schedule, const char* name, std::int64_t value) {
  check::require(schedule, name, value, check::at_least(1));
}

Expr constant_like(Expr x, float value) { return {x.expression, x.expression->constant(value)}; }
Expr ceil(Expr x) { return -floor(-x); }

// Half a cosine, from 1 at 0 to 0 at 1.
Expr cosine(Expr completed) { return (apply(graph::ExprOp::cos, completed * kPi) + 1.0f) * 0.5f; }
// The part between a first value and its share `alpha`.
Expr above(Expr share, double alpha) {
  return share * static_cast<float>(1.0 - alpha) + static_cast<float>(alpha);
}

// ---- ExponentialDecay, InverseTimeDecay ----

struct DecayArguments {
  double initial_learning_rate = 0.0;
  std::int64_t decay_steps = 1;
  double decay_rate = 0.0;
  StaircaseOptions options{};
};
void describe(Fields& fields, DecayArguments& arguments) {
  fields.required("initial_learning_rate", arguments.initial_learning_rate);
  fields.required("decay_steps", arguments.decay_steps);
  fields.required("decay_rate", arguments.decay_rate);
  fields("staircase", arguments.options.staircase);
  fields.ignored({"name"});
}

class Decay : public Described<ScheduleBase, DecayArguments> {
 protected:
  Decay(const char* class_name, const DecayArguments& arguments)
      : Described(arguments, class_name) {
    require_rate(class_name, "an initial_learning_rate", arguments.initial_learning_rate);
    require_steps(class_name, "decay_steps", arguments.decay_steps);
    require(class_name, "a decay_rate", arguments.decay_rate, check::at_least(0));
  }
  Expr completed(Expr step) const {
    const Expr share = step / static_cast<float>(options_.decay_steps);
    return options_.options.staircase ? floor(share) : share;
  }
  float initial() const { return static_cast<float>(options_.initial_learning_rate); }
};

class Exponential final : public Decay {
 public:
  explicit Exponential(const DecayArguments& arguments) : Decay("ExponentialDecay", arguments) {}
  Expr rate(Expr step) const override {
    const Expr base = constant_like(step, static_cast<float>(options_.decay_rate));
    return pow(base, completed(step)) * initial();
  }
};

class InverseTime final : public Decay {
 public:
  explicit InverseTime(const DecayArguments& arguments) : Decay("InverseTimeDecay", arguments) {}
  Expr rate(Expr step) const override {
    return initial() / (completed(step) * static_cast<float>(options_.decay_rate) + 1.0f);
  }
};

// ---- PiecewiseConstantDecay ----

struct PiecewiseArguments {
  std::vector<std::int64_t> boundaries{};
  std::vector<double> values{};
};
void describe(Fields& fields, PiecewiseArguments& arguments) {
  fields.required("boundaries", arguments.boundaries);
  fields.required("values", arguments.values);
  fields.ignored({"name"});
}

class PiecewiseConstant final : public Described<ScheduleBase, PiecewiseArguments> {
 public:
  explicit PiecewiseConstant(const PiecewiseArguments& arguments)
      : Described(arguments, "PiecewiseConstantDecay") {
    const auto& [boundaries, values] = arguments;
    if (boundaries.empty() || values.size() != boundaries.size() + 1) {
      throw ValueError(
          format("PiecewiseConstantDecay: expected boundaries, and one value more than "
                 "boundaries, received ",
                 boundaries.size(), " boundaries and ", values.size(), " values"));
    }
    for (std::size_t i = 1; i < boundaries.size(); ++i) {
      if (boundaries[i] > boundaries[i - 1]) continue;
      throw ValueError(format("PiecewiseConstantDecay: expected boundaries that rise, received ",
                              boundaries[i], " after ", boundaries[i - 1]));
    }
    for (const double value : values) require_rate("PiecewiseConstantDecay", "a value", value);
  }
  Expr rate(Expr step) const override {
    Expr value = constant_like(step, static_cast<float>(options_.values.back()));
    for (std::size_t i = options_.boundaries.size(); i-- > 0;) {
      value = select(less_equal(step, static_cast<float>(options_.boundaries[i])),
                     constant_like(step, static_cast<float>(options_.values[i])), value);
    }
    return value;
  }
};

// ---- PolynomialDecay ----

struct PolynomialArguments {
  double initial_learning_rate = 0.0;
  std::int64_t decay_steps = 1;
  PolynomialDecayOptions options{};
};
void describe(Fields& fields, PolynomialArguments& arguments) {
  fields.required("initial_learning_rate", arguments.initial_learning_rate);
  fields.required("decay_steps", arguments.decay_steps);
  fields("end_learning_rate", arguments.options.end_learning_rate);
  fields("power", arguments.options.power);
  fields("cycle", arguments.options.cycle);
  fields.ignored({"name"});
}

class Polynomial final : public Described<ScheduleBase, PolynomialArguments> {
 public:
  explicit Polynomial(const PolynomialArguments& arguments)
      : Described(arguments, "PolynomialDecay") {
    require_rate("PolynomialDecay", "an initial_learning_rate", arguments.initial_learning_rate);
    require_steps("PolynomialDecay", "decay_steps", arguments.decay_steps);
    require_rate("PolynomialDecay", "an end_learning_rate", arguments.options.end_learning_rate);
    require("PolynomialDecay", "a power", arguments.options.power, check::at_least(0));
  }
  Expr rate(Expr step) const override {
    const auto steps = static_cast<float>(options_.decay_steps);
    const auto end = static_cast<float>(options_.options.end_learning_rate);
    const auto initial = static_cast<float>(options_.initial_learning_rate);
    // With `cycle` the period is the next multiple of decay_steps, and the first one at step 0.
    const Expr share = options_.options.cycle ? step / (max(ceil(step / steps), 1.0f) * steps)
                                              : min(step, steps) / steps;
    return pow(1.0f - share, static_cast<float>(options_.options.power)) * (initial - end) + end;
  }
};

// ---- CosineDecay ----

struct CosineArguments {
  double initial_learning_rate = 0.0;
  std::int64_t decay_steps = 1;
  CosineDecayOptions options{};
};
void describe(Fields& fields, CosineArguments& arguments) {
  fields.required("initial_learning_rate", arguments.initial_learning_rate);
  fields.required("decay_steps", arguments.decay_steps);
  fields("alpha", arguments.options.alpha);
  fields("warmup_target", arguments.options.warmup_target);
  fields("warmup_steps", arguments.options.warmup_steps);
  fields.ignored({"name"});
}

class Cosine final : public Described<ScheduleBase, CosineArguments> {
 public:
  explicit Cosine(const CosineArguments& arguments) : Described(arguments, "CosineDecay") {
    require_rate("CosineDecay", "an initial_learning_rate", arguments.initial_learning_rate);
    require_steps("CosineDecay", "decay_steps", arguments.decay_steps);
    require("CosineDecay", "an alpha", arguments.options.alpha, check::closed(0, 1));
    check::require("CosineDecay", "warmup_steps", arguments.options.warmup_steps,
                   check::at_least(0));
    if (!arguments.options.warmup_target) return;
    require_rate("CosineDecay", "a warmup_target", *arguments.options.warmup_target);
  }
  Expr rate(Expr step) const override {
    const auto initial = static_cast<float>(options_.initial_learning_rate);
    if (!options_.options.warmup_target) return decayed(step) * initial;
    const auto target = static_cast<float>(*options_.options.warmup_target);
    if (options_.options.warmup_steps == 0) return decayed(step) * target;
    const auto steps = static_cast<float>(options_.options.warmup_steps);
    const Expr rising = step * ((target - initial) / steps) + initial;
    return select(less(step, steps), rising, decayed(step - steps) * target);
  }

 private:
  Expr decayed(Expr step) const {
    const auto steps = static_cast<float>(options_.decay_steps);
    return above(cosine(min(step, steps) / steps), options_.options.alpha);
  }
};

// ---- CosineDecayRestarts (Loshchilov and Hutter 2017) ----

struct RestartsArguments {
  double initial_learning_rate = 0.0;
  std::int64_t first_decay_steps = 1;
  CosineDecayRestartsOptions options{};
};
void describe(Fields& fields, RestartsArguments& arguments) {
  fields.required("initial_learning_rate", arguments.initial_learning_rate);
  fields.required("first_decay_steps", arguments.first_decay_steps);
  fields("t_mul", arguments.options.t_mul);
  fields("m_mul", arguments.options.m_mul);
  fields("alpha", arguments.options.alpha);
  fields.ignored({"name"});
}

class Restarts final : public Described<ScheduleBase, RestartsArguments> {
 public:
  explicit Restarts(const RestartsArguments& arguments)
      : Described(arguments, "CosineDecayRestarts") {
    const char* name = class_name().c_str();
    require_rate(name, "an initial_learning_rate", arguments.initial_learning_rate);
    require_steps(name, "first_decay_steps", arguments.first_decay_steps);
    require(name, "a t_mul", arguments.options.t_mul, check::at_least(1));
    require(name, "an m_mul", arguments.options.m_mul, check::at_least(0));
    require(name, "an alpha", arguments.options.alpha, check::closed(0, 1));
  }
  Expr rate(Expr step) const override {
    const Expr completed = step / static_cast<float>(options_.first_decay_steps);
    const auto growth = static_cast<float>(options_.options.t_mul);
    const auto initial = static_cast<float>(options_.initial_learning_rate);
    const Expr m_mul = constant_like(step, static_cast<float>(options_.options.m_mul));
    Expr restarts = floor(completed);
    Expr in_period = completed - restarts;
    if (growth != 1.0f) {
      // Periods are a geometric series: n of them take (1 - t_mul^n) / (1 - t_mul).
      restarts = floor(log(1.0f - completed * (1.0f - growth)) / std::log(growth));
      const Expr length = pow(constant_like(step, growth), restarts);
      in_period = (completed - (1.0f - length) / (1.0f - growth)) / length;
    }
    const Expr share = cosine(in_period) * pow(m_mul, restarts);
    return above(share, options_.options.alpha) * initial;
  }
};

template <class Schedule, class Arguments>
LearningRate made(const Arguments& arguments) {
  return LearningRate(std::make_shared<const Schedule>(arguments));
}

// ---- Configurations ----

struct ScheduleClass {
  std::string_view name;
  LearningRate (*make)(Fields& fields);
};
constexpr std::array kClasses{
#define STOKER_SCHEDULE(class_name) ScheduleClass{#class_name, optimizers::make_##class_name},
#include "optimizers/schedules.def"
#undef STOKER_SCHEDULE
};

}  // namespace

LearningRate optimizers::make_ExponentialDecay(Fields& fields) {
  return made<Exponential>(fields.all<DecayArguments>());
}
LearningRate optimizers::make_InverseTimeDecay(Fields& fields) {
  return made<InverseTime>(fields.all<DecayArguments>());
}
LearningRate optimizers::make_PiecewiseConstantDecay(Fields& fields) {
  return made<PiecewiseConstant>(fields.all<PiecewiseArguments>());
}
LearningRate optimizers::make_PolynomialDecay(Fields& fields) {
  return made<Polynomial>(fields.all<PolynomialArguments>());
}
LearningRate optimizers::make_CosineDecay(Fields& fields) {
  return made<Cosine>(fields.all<CosineArguments>());
}
LearningRate optimizers::make_CosineDecayRestarts(Fields& fields) {
  return made<Restarts>(fields.all<RestartsArguments>());
}

LearningRate ExponentialDecay(double initial_learning_rate, std::int64_t decay_steps,
                              double decay_rate, StaircaseOptions options) {
  return made<Exponential>(DecayArguments{initial_learning_rate, decay_steps, decay_rate, options});
}
LearningRate InverseTimeDecay(double initial_learning_rate, std::int64_t decay_steps,
                              double decay_rate, StaircaseOptions options) {
  return made<InverseTime>(DecayArguments{initial_learning_rate, decay_steps, decay_rate, options});
}
LearningRate PiecewiseConstantDecay(std::vector<std::int64_t> boundaries,
                                    std::vector<double> values) {
  return made<PiecewiseConstant>(PiecewiseArguments{std::move(boundaries), std::move(values)});
}
LearningRate PolynomialDecay(double initial_learning_rate, std::int64_t decay_steps,
                             PolynomialDecayOptions options) {
  return made<Polynomial>(PolynomialArguments{initial_learning_rate, decay_steps, options});
}
LearningRate CosineDecay(double initial_learning_rate, std::int64_t decay_steps,
                         CosineDecayOptions options) {
  return made<Cosine>(CosineArguments{initial_learning_rate, decay_steps, options});
}
LearningRate CosineDecayRestarts(double initial_learning_rate, std::int64_t first_decay_steps,
                                 CosineDecayRestartsOptions options) {
  return made<Restarts>(RestartsArguments{initial_learning_rate, first_decay_steps, options});
}

// A formula of constants is folded to a constant while it is written down.
double LearningRate::at(std::int64_t iterations) const {
  if (!schedule_) return value_;
  graph::Expression formula;
  const Expr step{&formula, formula.constant(static_cast<float>(iterations))};
  const Expr rate = schedule_->rate(step);
  return formula.instructions()[static_cast<std::size_t>(rate.id)].value;
}

bool operator==(const LearningRate& a, const LearningRate& b) { return a.config() == b.config(); }

Config LearningRate::config() const {
  if (!schedule_) return value_;
  Fields fields = Fields::writing();
  schedule_->write_fields(fields);
  return object_config("keras.optimizers.schedules", schedule_->class_name(), fields.config());
}

LearningRate learning_rate_from_config(const Config& config) {
  if (!config.is_map()) return config.number();
  return Fields::with_place("learning_rate_from_config", [&]() -> LearningRate {
    const ObjectView object = object_of(config);
    const ScheduleClass& found = class_named("schedule", object.class_name, kClasses);
    Fields fields = Fields::reading(object.config, object.class_name);
    return found.make(fields);
  });
}

}  // namespace stoker
