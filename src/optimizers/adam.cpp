// Adam (Kingma, Ba 2015), AMSGrad (Reddi, Kale, Kumar 2018), and AdamW (Loshchilov, Hutter 2019),
// which is Adam with weight decay by default. Epsilon is added to the root of the uncorrected
// second moment, the paper's "epsilon hat".
#include "optimizers/adam.h"

namespace stoker {
namespace {

template <class Options>
void describe_adam(Fields& fields, const char* name, Options& options) {
  optimizers::describe_common(fields, name, options);
  fields("beta_1", options.beta_1);
  fields("beta_2", options.beta_2);
  fields("epsilon", options.epsilon);
  fields("amsgrad", options.amsgrad);
}

}  // namespace

void describe(Fields& fields, AdamOptions& options) { describe_adam(fields, "adam", options); }
void describe(Fields& fields, AdamWOptions& options) { describe_adam(fields, "adamw", options); }

namespace {

using graph::Expr;

// Adam and AdamW share this class; their options differ only in the default of weight_decay.
template <class Options>
class AdamRule final : public Described<optimizers::OptimizerBase, Options> {
  using Base = Described<optimizers::OptimizerBase, Options>;
  using Base::options_;
  using Base::require;

 public:
  AdamRule(const char* class_name, const char* name, const Options& options)
      : Base(options, class_name, name, optimizers::common_of(options)) {
    require("beta_1", options_.beta_1, check::half_open(0, 1));
    require("beta_2", options_.beta_2, check::half_open(0, 1));
    require("epsilon", options_.epsilon, check::at_least(0));
  }

  bool keeps_zero() const override { return optimizers::is_normal(options_.epsilon); }

  std::vector<std::string> own_slot_names() const override {
    if (options_.amsgrad) return {"momentum", "velocity", "velocity_hat"};
    return {"momentum", "velocity"};
  }

  std::vector<std::size_t> own_slot_groups() const override {
    return options_.amsgrad ? std::vector<std::size_t>{2, 1} : std::vector<std::size_t>{2};
  }

  void step(optimizers::Update& update, Expr parameter) const override {
    optimizers::append_adam(update, parameter,
                            {options_.beta_1, options_.beta_2, options_.epsilon, options_.amsgrad});
  }
};

Expr constant(Expr beside, double value) {
  return {beside.expression, beside.expression->constant(static_cast<float>(value))};
}

}  // namespace

void optimizers::append_adam(Update& update, Expr parameter, const AdamNumbers& numbers) {
  const Expr alpha = update.scalar([&](Expr learning_rate, Expr t) {
    const Expr power_1 = pow(constant(t, numbers.beta_1), t);
    const Expr power_2 = pow(constant(t, numbers.beta_2), t);
    if (numbers.rate_ratio != 1.0) {
      learning_rate = learning_rate * static_cast<float>(numbers.rate_ratio);
    }
    return learning_rate * sqrt(1.0f - power_2) / (1.0f - power_1);
  });
  const Expr gradient = update.gradient();
  const auto take_1 = static_cast<float>(1.0 - numbers.beta_1);
  const auto take_2 = static_cast<float>(1.0 - numbers.beta_2);
  const Expr momentum = update.slot(0) + (gradient - update.slot(0)) * take_1;
  Expr velocity = update.slot(1) + (square(gradient) - update.slot(1)) * take_2;
  update.set_slot(0, momentum);
  update.set_slot(1, velocity);
  if (numbers.amsgrad) {
    velocity = max(update.slot(2), velocity);
    update.set_slot(2, velocity);
  }
  const auto epsilon = static_cast<float>(numbers.epsilon);
  update.set_parameter(parameter - momentum * alpha / (sqrt(velocity) + epsilon));
}

Optimizer Adam(AdamOptions options) {
  return Optimizer(std::make_shared<const AdamRule<AdamOptions>>("Adam", "adam", options));
}
Optimizer AdamW(AdamWOptions options) {
  return Optimizer(std::make_shared<const AdamRule<AdamWOptions>>("AdamW", "adamw", options));
}

Optimizer optimizers::make_Adam(Fields& fields) { return stoker::Adam(fields.all<AdamOptions>()); }
Optimizer optimizers::make_AdamW(Fields& fields) {
  return stoker::AdamW(fields.all<AdamWOptions>());
}

}  // namespace stoker
