// LossScaleOptimizer: another optimizer, and the wish that the loss be scaled (Micikevicius et al.:
// "Mixed precision training", 2018). The scaling itself is op advance's.
#include <limits>

#include "core/format.h"
#include "optimizers/optimizer.h"
#include "stoker/error.h"

namespace stoker {
namespace {

class LossScaleOptimizerRule final : public optimizers::OptimizerBase {
 public:
  LossScaleOptimizerRule(std::shared_ptr<const OptimizerBase> inner, LossScaleOptions options)
      : OptimizerBase("loss_scale_optimizer", inner->common()), inner_(std::move(inner)) {
    if (inner_->loss_scaling() != nullptr) {
      throw ValueError(format(name(), ": expected an optimizer that does not scale the loss, ",
                              "received another ", inner_->name()));
    }
    require("initial_scale", options.initial_scale, check::above(0));
    check::require(name(), "dynamic_growth_steps", options.dynamic_growth_steps,
                   check::closed(1, std::numeric_limits<std::int32_t>::max()));
    scaling_ = {options.initial_scale, static_cast<std::int32_t>(options.dynamic_growth_steps)};
  }

  std::vector<std::string> slot_names() const override { return inner_->slot_names(); }
  bool keeps_zero() const override { return inner_->keeps_zero(); }
  void step(optimizers::Update& update, graph::Expr parameter) const override {
    inner_->step(update, parameter);
  }
  const optimizers::LossScaling* loss_scaling() const override { return &scaling_; }

 private:
  std::shared_ptr<const OptimizerBase> inner_;
  optimizers::LossScaling scaling_;
};

}  // namespace

Optimizer LossScaleOptimizer(Optimizer inner, LossScaleOptions options) {
  return Optimizer(std::make_shared<LossScaleOptimizerRule>(inner.base(), options));
}

}  // namespace stoker
