// RMSprop (Hinton's lecture 6e of "Neural networks for machine learning", 2012), centered as in
// Graves 2013, section 2. Epsilon lies inside the root.
#include "optimizers/optimizer.h"

namespace stoker {

void describe(Fields& fields, RMSpropOptions& options) {
  optimizers::describe_common(fields, "rmsprop", options);
  fields("rho", options.rho);
  fields("momentum", options.momentum);
  fields("epsilon", options.epsilon);
  fields("centered", options.centered);
}

namespace {

using graph::Expr;

class RMSpropRule final : public Described<optimizers::OptimizerBase, RMSpropOptions> {
 public:
  explicit RMSpropRule(const RMSpropOptions& options)
      : Described(options, "RMSprop", "rmsprop", optimizers::common_of(options)) {
    require("rho", options_.rho, check::half_open(0, 1));
    require("momentum", options_.momentum, check::closed(0, 1));
    require("epsilon", options_.epsilon, check::at_least(0));
  }

  bool keeps_zero() const override { return optimizers::is_normal(options_.epsilon); }

  std::vector<std::string> own_slot_names() const override {
    std::vector<std::string> names{"velocity"};
    if (options_.momentum > 0.0) names.push_back("momentum");
    if (options_.centered) names.push_back("average_gradient");
    return names;
  }

  std::vector<std::size_t> own_slot_groups() const override {
    return std::vector<std::size_t>(own_slot_names().size(), 1);
  }

  void step(optimizers::Update& update, Expr parameter) const override {
    const auto rho = static_cast<float>(options_.rho);
    const auto take = static_cast<float>(1.0 - options_.rho);
    const auto epsilon = static_cast<float>(options_.epsilon);
    const Expr gradient = update.gradient();
    const Expr velocity = update.slot(0) * rho + square(gradient) * take;
    update.set_slot(0, velocity);
    Expr denominator = velocity;
    if (options_.centered) {
      const int slot = options_.momentum > 0.0 ? 2 : 1;
      const Expr average = update.slot(slot) * rho + gradient * take;
      update.set_slot(slot, average);
      denominator = velocity - square(average);
    }
    Expr increment = update.learning_rate() * gradient / sqrt(denominator + epsilon);
    if (options_.momentum > 0.0) {
      increment = update.slot(1) * static_cast<float>(options_.momentum) + increment;
      update.set_slot(1, increment);
    }
    update.set_parameter(parameter - increment);
  }
};

}  // namespace

Optimizer RMSprop(RMSpropOptions options) {
  return Optimizer(std::make_shared<const RMSpropRule>(options));
}

Optimizer optimizers::make_RMSprop(Fields& fields) {
  return stoker::RMSprop(fields.all<RMSpropOptions>());
}

}  // namespace stoker
