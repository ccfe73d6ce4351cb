// LossScaleOptimizer wraps another optimizer and asks for a scaled loss (Micikevicius et al.:
// "Mixed precision training", 2018). The op advance does the scaling itself.
#include <limits>

#include "core/format.h"
#include "optimizers/optimizer.h"
#include "stoker/error.h"

namespace stoker {
namespace {

struct LossScaleArguments {
  Optimizer inner_optimizer{};
  LossScaleOptions options{};
};

void describe(Fields& fields, LossScaleArguments& arguments) {
  fields.note("name", "loss_scale_optimizer");
  fields.required("inner_optimizer", arguments.inner_optimizer);
  fields("initial_scale", arguments.options.initial_scale);
  fields("dynamic_growth_steps", arguments.options.dynamic_growth_steps);
}

class LossScaleOptimizerRule final
    : public Described<optimizers::OptimizerBase, LossScaleArguments> {
 public:
  explicit LossScaleOptimizerRule(const LossScaleArguments& arguments)
      : Described(arguments, "LossScaleOptimizer", "loss_scale_optimizer",
                  arguments.inner_optimizer.base()->common()),
        inner_(arguments.inner_optimizer.base()) {
    const LossScaleOptions& options = options_.options;
    if (inner_->loss_scaling() != nullptr) {
      throw ValueError(format(name(), ": expected an optimizer that does not scale the loss, ",
                              "received another ", inner_->name()));
    }
    require("an initial_scale", options.initial_scale, check::above(0));
    check::require(name(), "dynamic_growth_steps", options.dynamic_growth_steps,
                   check::closed(1, std::numeric_limits<std::int32_t>::max()));
    scaling_ = {options.initial_scale, static_cast<std::int32_t>(options.dynamic_growth_steps)};
  }

  std::vector<std::string> own_slot_names() const override { return inner_->own_slot_names(); }
  std::vector<std::size_t> own_slot_groups() const override { return inner_->own_slot_groups(); }
  std::vector<float> own_slot_values() const override { return inner_->own_slot_values(); }
  const OptimizerBase* inner() const override { return inner_.get(); }
  bool keeps_zero() const override { return inner_->keeps_zero(); }
  void step(optimizers::Update& update, graph::Expr parameter) const override {
    inner_->step(update, parameter);
  }
  const OptimizerBase& rule_for(const optimizers::UpdatedWeight& weight) const override {
    return inner_->rule_for(weight);
  }
  std::vector<const OptimizerBase*> members() const override { return inner_->members(); }
  const optimizers::LossScaling* loss_scaling() const override { return &scaling_; }

 private:
  std::shared_ptr<const OptimizerBase> inner_;
  optimizers::LossScaling scaling_;
};

}  // namespace

Optimizer LossScaleOptimizer(Optimizer inner, LossScaleOptions options) {
  std::vector<std::string> excluded = inner.excluded_from_weight_decay();
  Optimizer optimizer(
      std::make_shared<LossScaleOptimizerRule>(LossScaleArguments{std::move(inner), options}));
  optimizer.exclude_from_weight_decay(std::move(excluded));
  return optimizer;
}

Optimizer optimizers::make_LossScaleOptimizer(Fields& fields) {
  return Optimizer(std::make_shared<LossScaleOptimizerRule>(fields.all<LossScaleArguments>()));
}

}  // namespace stoker
