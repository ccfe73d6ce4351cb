// Lion (Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms"): the sign of a momentum.
#include "optimizers/optimizer.h"

namespace stoker {

void describe(Fields& fields, LionOptions& options) {
  optimizers::describe_common(fields, "lion", options);
  fields("beta_1", options.beta_1);
  fields("beta_2", options.beta_2);
}

namespace {

using graph::Expr;

class LionRule final : public Described<optimizers::OptimizerBase, LionOptions> {
 public:
  explicit LionRule(const LionOptions& options)
      : Described(options, "Lion", "lion", optimizers::common_of(options)) {
    check::Range range = check::closed(0, 1);
    range.low_is_open = true;
    require("beta_1", options_.beta_1, range);
    require("beta_2", options_.beta_2, check::closed(0, 1));
  }

  std::vector<std::string> own_slot_names() const override { return {"momentum"}; }
  std::vector<std::size_t> own_slot_groups() const override { return {1}; }

  void step(optimizers::Update& update, Expr parameter) const override {
    const auto mix = [&](double beta) {
      return update.slot(0) * static_cast<float>(beta) +
             update.gradient() * static_cast<float>(1.0 - beta);
    };
    update.set_parameter(parameter - update.learning_rate() * sign(mix(options_.beta_1)));
    update.set_slot(0, mix(options_.beta_2));
  }
};

}  // namespace

Optimizer Lion(LionOptions options) { return Optimizer(std::make_shared<const LionRule>(options)); }

Optimizer optimizers::make_Lion(Fields& fields) { return stoker::Lion(fields.all<LionOptions>()); }

}  // namespace stoker
