// Adamax (Kingma, Ba 2015, section 7.1): Adam with the largest gradient in place of the second
// moment.
#include "optimizers/optimizer.h"

namespace stoker {

void describe(Fields& fields, AdamaxOptions& options) {
  optimizers::describe_common(fields, "adamax", options);
  fields("beta_1", options.beta_1);
  fields("beta_2", options.beta_2);
  fields("epsilon", options.epsilon);
}

namespace {

using graph::Expr;

class AdamaxRule final : public Described<optimizers::OptimizerBase, AdamaxOptions> {
 public:
  explicit AdamaxRule(const AdamaxOptions& options)
      : Described(options, "Adamax", "adamax", optimizers::common_of(options)) {
    require("beta_1", options_.beta_1, check::half_open(0, 1));
    require("beta_2", options_.beta_2, check::half_open(0, 1));
    require("epsilon", options_.epsilon, check::at_least(0));
  }

  bool keeps_zero() const override { return optimizers::is_normal(options_.epsilon); }

  std::vector<std::string> own_slot_names() const override { return {"momentum", "norm"}; }
  std::vector<std::size_t> own_slot_groups() const override { return {2}; }

  void step(optimizers::Update& update, Expr parameter) const override {
    const Expr rate = update.scalar([this](Expr learning_rate, Expr t) {
      const Expr beta{t.expression, t.expression->constant(static_cast<float>(options_.beta_1))};
      return learning_rate / (1.0f - pow(beta, t));
    });
    const Expr gradient = update.gradient();
    const auto take = static_cast<float>(1.0 - options_.beta_1);
    const Expr momentum = update.slot(0) + (gradient - update.slot(0)) * take;
    const Expr norm = max(update.slot(1) * static_cast<float>(options_.beta_2), abs(gradient));
    update.set_slot(0, momentum);
    update.set_slot(1, norm);
    update.set_parameter(parameter -
                         rate * momentum / (norm + static_cast<float>(options_.epsilon)));
  }
};

}  // namespace

Optimizer Adamax(AdamaxOptions options) {
  return Optimizer(std::make_shared<const AdamaxRule>(options));
}

Optimizer optimizers::make_Adamax(Fields& fields) {
  return stoker::Adamax(fields.all<AdamaxOptions>());
}

}  // namespace stoker
