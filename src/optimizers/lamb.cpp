// LAMB (You et al.: "Large batch optimization for deep learning: training BERT in 76 minutes",
// 2020): Adam's direction, times the ratio of the weight's norm to the direction's.
#include "optimizers/optimizer.h"

namespace stoker {

void describe(Fields& fields, LambOptions& options) {
  optimizers::describe_common(fields, "lamb", options);
  fields("beta_1", options.beta_1);
  fields("beta_2", options.beta_2);
  fields("epsilon", options.epsilon);
}

namespace {

using graph::Expr;
using graph::Value;

Value norm_of(Value x) {
  const Value squares = ops::reduce(ops::ReduceKind::sum, x, graph::square, {0});
  return ops::map(squares, [](Expr sum) { return sqrt(sum); });
}

class LambRule final : public Described<optimizers::OptimizerBase, LambOptions> {
 public:
  explicit LambRule(const LambOptions& options)
      : Described(options, "Lamb", "lamb", optimizers::common_of(options)) {
    require("beta_1", options_.beta_1, check::half_open(0, 1));
    require("beta_2", options_.beta_2, check::half_open(0, 1));
    require("epsilon", options_.epsilon, check::at_least(0));
  }

  bool keeps_zero() const override { return optimizers::is_normal(options_.epsilon); }

  std::vector<std::string> own_slot_names() const override { return {"momentum", "velocity"}; }
  std::vector<std::size_t> own_slot_groups() const override { return {2}; }

  bool has_direction() const override { return true; }

  void prepare(optimizers::Update& update) const override {
    const auto correction = [&](double beta) {
      return update.scalar([beta](Expr, Expr t) {
        const Expr base{t.expression, t.expression->constant(static_cast<float>(beta))};
        return 1.0f - pow(base, t);
      });
    };
    const Expr of_momentum = correction(options_.beta_1);
    const Expr of_velocity = correction(options_.beta_2);
    const Expr gradient = update.gradient();
    const auto take_1 = static_cast<float>(1.0 - options_.beta_1);
    const auto take_2 = static_cast<float>(1.0 - options_.beta_2);
    const Expr momentum = update.slot(0) + (gradient - update.slot(0)) * take_1;
    const Expr velocity = update.slot(1) + (square(gradient) - update.slot(1)) * take_2;
    update.set_slot(0, momentum);
    update.set_slot(1, velocity);
    const auto epsilon = static_cast<float>(options_.epsilon);
    update.set_direction(momentum / of_momentum / (sqrt(velocity / of_velocity) + epsilon));
  }

  Value direction(const optimizers::WholeWeight& weight) const override {
    const Value ratio =
        ops::map(norm_of(weight.parameter), norm_of(weight.direction),
                 [](Expr of_weight, Expr of_direction) {
                   const Expr one{of_weight.expression, of_weight.expression->constant(1.0f)};
                   const Expr both = less(0.0f, of_weight) * less(0.0f, of_direction);
                   return select(both, of_weight / of_direction, one);
                 });
    return ops::map(weight.direction, ratio, [](Expr d, Expr r) { return d * r; });
  }

  void step(optimizers::Update& update, Expr parameter) const override {
    update.set_parameter(parameter - update.learning_rate() * update.gradient());
  }
};

}  // namespace

Optimizer Lamb(LambOptions options) { return Optimizer(std::make_shared<const LambRule>(options)); }

Optimizer optimizers::make_Lamb(Fields& fields) { return stoker::Lamb(fields.all<LambOptions>()); }

}  // namespace stoker
