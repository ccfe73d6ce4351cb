// Nadam (Dozat 2015, "Incorporating Nesterov Momentum into Adam"), with the schedule of momenta
// that the paper's appendix gives: u_t = beta_1 (1 - 0.96^t / 2).
#include <cmath>

#include "optimizers/optimizer.h"

namespace stoker {

void describe(Fields& fields, NadamOptions& options) {
  optimizers::describe_common(fields, "nadam", options);
  fields("beta_1", options.beta_1);
  fields("beta_2", options.beta_2);
  fields("epsilon", options.epsilon);
}

namespace {

using graph::Expr;

constexpr double kDecay = 0.96;

Expr constant(Expr beside, double value) {
  return {beside.expression, beside.expression->constant(static_cast<float>(value))};
}

// Returns the product of u_1 to u_t. Keras multiplies step by step; this is the same number as a
// function of t alone, for which nothing has to be kept: the logarithm of 1 - a is the sum of
// -a^k / k, and for each k the powers of 0.96^i over the steps form a geometric series.
Expr product_of_momenta(Expr t, double beta_1) {
  constexpr int kTerms = 28;  // What comes after is below a float32's precision.
  Expr logarithm = t * static_cast<float>(std::log(beta_1));
  for (int k = 1; k <= kTerms; ++k) {
    const double power = std::pow(kDecay, k);
    const double factor = std::pow(0.5, k) * power / (k * (1.0 - power));
    logarithm = logarithm - static_cast<float>(factor) * (1.0f - pow(constant(t, power), t));
  }
  return exp(logarithm);
}

class NadamRule final : public Described<optimizers::OptimizerBase, NadamOptions> {
 public:
  explicit NadamRule(const NadamOptions& options)
      : Described(options, "Nadam", "nadam", optimizers::common_of(options)) {
    check::Range range = check::half_open(0, 1);
    range.low_is_open = true;
    require("beta_1", options_.beta_1, range);
    require("beta_2", options_.beta_2, check::half_open(0, 1));
    require("epsilon", options_.epsilon, check::at_least(0));
  }

  bool keeps_zero() const override { return optimizers::is_normal(options_.epsilon); }

  std::vector<std::string> own_slot_names() const override { return {"momentum", "velocity"}; }
  std::vector<std::size_t> own_slot_groups() const override { return {2}; }

  std::optional<float> momentum_product(std::int64_t iterations) const override {
    double product = 1.0;
    double power = 1.0;
    for (std::int64_t i = 0; i < iterations && product > 0.0; ++i) {
      power *= kDecay;
      product *= options_.beta_1 * (1.0 - 0.5 * power);
    }
    return static_cast<float>(product);
  }

  void step(optimizers::Update& update, Expr parameter) const override {
    const double beta_1 = options_.beta_1;
    const auto momentum_at = [beta_1](Expr t) {
      return static_cast<float>(beta_1) * (1.0f - 0.5f * pow(constant(t, kDecay), t));
    };
    const Expr of_momentum = update.scalar([&](Expr, Expr t) {
      const Expr next = momentum_at(t + 1.0f);
      return next / (1.0f - product_of_momenta(t, beta_1) * next);
    });
    const Expr of_gradient = update.scalar([&](Expr, Expr t) {
      return (1.0f - momentum_at(t)) / (1.0f - product_of_momenta(t, beta_1));
    });
    const Expr of_velocity = update.scalar(
        [this](Expr, Expr t) { return 1.0f / (1.0f - pow(constant(t, options_.beta_2), t)); });
    const Expr gradient = update.gradient();
    // Keras subtracts in float32 here.
    const float take_1 = 1.0f - static_cast<float>(options_.beta_1);
    const float take_2 = 1.0f - static_cast<float>(options_.beta_2);
    const Expr momentum = update.slot(0) + (gradient - update.slot(0)) * take_1;
    const Expr velocity = update.slot(1) + (square(gradient) - update.slot(1)) * take_2;
    update.set_slot(0, momentum);
    update.set_slot(1, velocity);
    const Expr ahead = momentum * of_momentum + gradient * of_gradient;
    update.set_parameter(parameter -
                         ahead * update.learning_rate() /
                             (sqrt(velocity * of_velocity) + static_cast<float>(options_.epsilon)));
  }
};

}  // namespace

Optimizer Nadam(NadamOptions options) {
  return Optimizer(std::make_shared<const NadamRule>(options));
}

Optimizer optimizers::make_Nadam(Fields& fields) {
  return stoker::Nadam(fields.all<NadamOptions>());
}

}  // namespace stoker
