// Ftrl (McMahan et al. 2013, "Ad Click Prediction: a View from the Trenches").
#include <cmath>

#include "optimizers/optimizer.h"

namespace stoker {

void describe(Fields& fields, FtrlOptions& options) {
  optimizers::describe_common(fields, "ftrl", options);
  fields("learning_rate_power", options.learning_rate_power);
  fields("initial_accumulator_value", options.initial_accumulator_value);
  fields("l1_regularization_strength", options.l1_regularization_strength);
  fields("l2_regularization_strength", options.l2_regularization_strength);
  fields("l2_shrinkage_regularization_strength", options.l2_shrinkage_regularization_strength);
  fields("beta", options.beta);
}

namespace {

using graph::Expr;

class FtrlRule final : public Described<optimizers::OptimizerBase, FtrlOptions> {
 public:
  explicit FtrlRule(const FtrlOptions& options)
      : Described(options, "Ftrl", "ftrl", optimizers::common_of(options)) {
    require("learning_rate_power", options_.learning_rate_power, check::closed(-HUGE_VAL, 0));
    require("initial_accumulator_value", options_.initial_accumulator_value, check::at_least(0));
    require("l1_regularization_strength", options_.l1_regularization_strength, check::at_least(0));
    require("l2_regularization_strength", options_.l2_regularization_strength, check::at_least(0));
    require("l2_shrinkage_regularization_strength", options_.l2_shrinkage_regularization_strength,
            check::at_least(0));
    require("beta", options_.beta, check::finite());
  }

  bool keeps_zero() const override {
    return optimizers::is_normal(options_.initial_accumulator_value +
                                 options_.l2_regularization_strength);
  }
  std::vector<float> own_slot_values() const override {
    return {static_cast<float>(options_.initial_accumulator_value), 0.0f};
  }

  std::vector<std::string> own_slot_names() const override { return {"accumulator", "linear"}; }
  std::vector<std::size_t> own_slot_groups() const override { return {2}; }

  void step(optimizers::Update& update, Expr parameter) const override {
    const auto power = static_cast<float>(-options_.learning_rate_power);
    const auto l1 = static_cast<float>(options_.l1_regularization_strength);
    const auto l2 = static_cast<float>(options_.l2_regularization_strength);
    const auto shrinkage = static_cast<float>(2.0 * options_.l2_shrinkage_regularization_strength);
    const Expr rate = update.learning_rate();
    const Expr gradient = update.gradient();
    const Expr squares = update.slot(0) + square(gradient);
    const Expr root = pow(squares, power);
    const Expr linear = update.slot(1) + (gradient + parameter * shrinkage) -
                        (root - pow(update.slot(0), power)) / rate * parameter;
    const Expr quadratic =
        root / rate + 2.0f * (l2 + static_cast<float>(options_.beta) / (2.0f * rate));
    update.set_slot(0, squares);
    update.set_slot(1, linear);
    update.set_parameter((min(max(linear, -l1), l1) - linear) / quadratic);
  }
};

}  // namespace

Optimizer Ftrl(FtrlOptions options) { return Optimizer(std::make_shared<const FtrlRule>(options)); }

Optimizer optimizers::make_Ftrl(Fields& fields) { return stoker::Ftrl(fields.all<FtrlOptions>()); }

}  // namespace stoker
