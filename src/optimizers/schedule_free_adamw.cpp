// Schedule-free AdamW (Defazio et al.: "The road less scheduled", 2024). The weights are the points
// y at which gradients are taken; z, the slot "momentum", takes Adam's steps; x is the mean of all
// z and is found from y = (1 - beta_1) z + beta_1 x.
#include "optimizers/optimizer.h"

namespace stoker {

void describe(Fields& fields, ScheduleFreeAdamWOptions& options) {
  optimizers::describe_common(fields, "schedule_free_adamw", options);
  fields("beta_1", options.beta_1);
  fields("beta_2", options.beta_2);
  fields("epsilon", options.epsilon);
  fields("warmup_steps", options.warmup_steps);
}

namespace {

using graph::Expr;

class ScheduleFreeAdamWRule final
    : public Described<optimizers::OptimizerBase, ScheduleFreeAdamWOptions> {
 public:
  explicit ScheduleFreeAdamWRule(const ScheduleFreeAdamWOptions& options)
      : Described(options, "ScheduleFreeAdamW", "schedule_free_adamw",
                  optimizers::common_of(options)) {
    check::Range range = check::closed(0, 1);
    range.low_is_open = true;
    require("beta_1", options_.beta_1, range);
    require("beta_2", options_.beta_2, check::half_open(0, 1));
    require("epsilon", options_.epsilon, check::at_least(0));
    check::require(name(), "warmup_steps", options_.warmup_steps, check::at_least(0));
  }

  bool keeps_zero() const override { return optimizers::is_normal(options_.epsilon); }

  std::vector<std::string> own_slot_names() const override { return {"momentum", "velocity"}; }
  std::vector<std::size_t> own_slot_groups() const override { return {2}; }

  void step(optimizers::Update& update, Expr parameter) const override {
    const Expr rate = update.scalar([this](Expr learning_rate, Expr t) {
      if (options_.warmup_steps == 0) return learning_rate;
      return learning_rate * min(t / static_cast<float>(options_.warmup_steps), 1.0f);
    });
    const Expr correction = update.scalar([this](Expr, Expr t) {
      const auto beta = static_cast<float>(options_.beta_2);
      return 1.0f - pow(Expr{t.expression, t.expression->constant(beta)}, t);
    });
    const Expr share = update.scalar([](Expr, Expr t) { return 1.0f / t; });
    const Expr is_first = update.scalar([](Expr, Expr t) { return equal(t, 1.0f); });

    const auto beta_1 = static_cast<float>(options_.beta_1);
    const auto take_2 = static_cast<float>(1.0 - options_.beta_2);
    const auto epsilon = static_cast<float>(options_.epsilon);
    const Expr gradient = update.gradient();
    // z begins at the weights.
    const Expr z_before = select(is_first, update.parameter(), update.slot(0));
    const Expr velocity = update.slot(1) + (square(gradient) - update.slot(1)) * take_2;
    const Expr z = z_before - gradient * rate / (sqrt(velocity / correction) + epsilon);
    const Expr x_before = (parameter - z_before * (1.0f - beta_1)) / beta_1;
    const Expr x = x_before * (1.0f - share) + z * share;
    update.set_slot(0, z);
    update.set_slot(1, velocity);
    update.set_parameter(z * (1.0f - beta_1) + x * beta_1);
  }
};

}  // namespace

Optimizer ScheduleFreeAdamW(ScheduleFreeAdamWOptions options) {
  return Optimizer(std::make_shared<const ScheduleFreeAdamWRule>(options));
}

Optimizer optimizers::make_ScheduleFreeAdamW(Fields& fields) {
  return stoker::ScheduleFreeAdamW(fields.all<ScheduleFreeAdamWOptions>());
}

}  // namespace stoker
