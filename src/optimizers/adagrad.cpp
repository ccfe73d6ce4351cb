// Adagrad (Duchi, Hazan, Singer 2011). Epsilon lies inside the root.
#include "optimizers/optimizer.h"

namespace stoker {

void describe(Fields& fields, AdagradOptions& options) {
  optimizers::describe_common(fields, "adagrad", options);
  fields("initial_accumulator_value", options.initial_accumulator_value);
  fields("epsilon", options.epsilon);
}

namespace {

using graph::Expr;

class AdagradRule final : public Described<optimizers::OptimizerBase, AdagradOptions> {
 public:
  explicit AdagradRule(const AdagradOptions& options)
      : Described(options, "Adagrad", "adagrad", optimizers::common_of(options)) {
    require("initial_accumulator_value", options_.initial_accumulator_value, check::at_least(0));
    require("epsilon", options_.epsilon, check::at_least(0));
  }

  bool keeps_zero() const override {
    return optimizers::is_normal(options_.epsilon + options_.initial_accumulator_value);
  }
  std::vector<float> own_slot_values() const override {
    return {static_cast<float>(options_.initial_accumulator_value)};
  }

  std::vector<std::string> own_slot_names() const override { return {"accumulator"}; }
  std::vector<std::size_t> own_slot_groups() const override { return {1}; }

  void step(optimizers::Update& update, Expr parameter) const override {
    const Expr gradient = update.gradient();
    const Expr squares = update.slot(0) + square(gradient);
    update.set_slot(0, squares);
    const auto epsilon = static_cast<float>(options_.epsilon);
    update.set_parameter(parameter - update.learning_rate() * gradient / sqrt(squares + epsilon));
  }
};

}  // namespace

Optimizer Adagrad(AdagradOptions options) {
  return Optimizer(std::make_shared<const AdagradRule>(options));
}

Optimizer optimizers::make_Adagrad(Fields& fields) {
  return stoker::Adagrad(fields.all<AdagradOptions>());
}

}  // namespace stoker
