// Adadelta (Zeiler 2012): steps in the ratio of the averages of squared steps and gradients.
#include "optimizers/optimizer.h"

namespace stoker {

void describe(Fields& fields, AdadeltaOptions& options) {
  optimizers::describe_common(fields, "adadelta", options);
  fields("rho", options.rho);
  fields("epsilon", options.epsilon);
}

namespace {

using graph::Expr;

class AdadeltaRule final : public Described<optimizers::OptimizerBase, AdadeltaOptions> {
 public:
  explicit AdadeltaRule(const AdadeltaOptions& options)
      : Described(options, "Adadelta", "adadelta", optimizers::common_of(options)) {
    require("rho", options_.rho, check::half_open(0, 1));
    require("epsilon", options_.epsilon, check::at_least(0));
  }

  bool keeps_zero() const override { return optimizers::is_normal(options_.epsilon); }

  std::vector<std::string> own_slot_names() const override {
    return {"accumulated_grad", "accumulated_delta_var"};
  }
  std::vector<std::size_t> own_slot_groups() const override { return {2}; }

  void step(optimizers::Update& update, Expr parameter) const override {
    const auto rho = static_cast<float>(options_.rho);
    const auto take = static_cast<float>(1.0 - options_.rho);
    const auto epsilon = static_cast<float>(options_.epsilon);
    const Expr gradient = update.gradient();
    const Expr squares = update.slot(0) * rho + square(gradient) * take;
    const Expr delta = -(sqrt(update.slot(1) + epsilon) * gradient / sqrt(squares + epsilon));
    update.set_slot(0, squares);
    update.set_slot(1, update.slot(1) * rho + square(delta) * take);
    update.set_parameter(parameter + update.learning_rate() * delta);
  }
};

}  // namespace

Optimizer Adadelta(AdadeltaOptions options) {
  return Optimizer(std::make_shared<const AdadeltaRule>(options));
}

Optimizer optimizers::make_Adadelta(Fields& fields) {
  return stoker::Adadelta(fields.all<AdadeltaOptions>());
}

}  // namespace stoker
