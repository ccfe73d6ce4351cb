// Dice and Tversky: how much of two regions overlaps.
#include <utility>

#include "losses/axes.h"
#include "losses/loss.h"
#include "ops/align.h"

namespace stoker {

void describe(Fields& fields, DiceOptions& options) {
  losses::describe_common(fields, "dice", options.name, options.reduction);
  fields("axis", options.axis);
}
void describe(Fields& fields, TverskyOptions& options) {
  losses::describe_common(fields, "tversky", options.name, options.reduction);
  fields("alpha", options.alpha);
  fields("beta", options.beta);
  fields("axis", options.axis);
}

namespace {

using graph::Expr;
using graph::Value;

constexpr float kEpsilon = 1e-7f;

template <class F>
Value sum(Value y_true, Value y_pred, const std::vector<std::int64_t>& axes, F&& f) {
  return ops::reduce(ops::ReduceKind::sum, y_true, y_pred, std::forward<F>(f), axes);
}

Expr product(Expr label, Expr prediction) { return label * prediction; }

class DiceLoss final : public Described<losses::LossBase, DiceOptions> {
 public:
  explicit DiceLoss(const DiceOptions& options)
      : Described(options, "Dice", losses::name_or(options.name, "dice"), options.reduction) {}

  Value values(Value y_true, Value y_pred) const override {
    ops::match_predictions(y_true, y_pred);
    const auto axes = losses::axes_in(y_pred, options_.axis);
    const Value both = sum(y_true, y_pred, axes, product);
    const Value all =
        sum(y_true, y_pred, axes, [](Expr label, Expr prediction) { return label + prediction; });
    return ops::map(both, all, [](Expr shared, Expr total) {
      return 1.0f - 2.0f * shared / (total + kEpsilon);
    });
  }
};

class TverskyLoss final : public Described<losses::LossBase, TverskyOptions> {
 public:
  explicit TverskyLoss(const TverskyOptions& options)
      : Described(options, "Tversky", losses::name_or(options.name, "tversky"), options.reduction) {
  }

  Value values(Value y_true, Value y_pred) const override {
    ops::match_predictions(y_true, y_pred);
    const auto axes = losses::axes_in(y_pred, options_.axis);
    const auto alpha = static_cast<float>(options_.alpha);
    const auto beta = static_cast<float>(options_.beta);
    const Value both = sum(y_true, y_pred, axes, product);
    const Value others = sum(y_true, y_pred, axes, [&](Expr label, Expr prediction) {
      return alpha * ((1.0f - prediction) * label) + beta * (prediction * (1.0f - label));
    });
    return ops::map(both, others, [](Expr shared, Expr other) {
      return 1.0f - shared / (shared + other + kEpsilon);
    });
  }
};

}  // namespace

Loss Dice(DiceOptions options) {
  return Loss(std::make_shared<const DiceLoss>(std::move(options)));
}
Loss Tversky(TverskyOptions options) {
  return Loss(std::make_shared<const TverskyLoss>(std::move(options)));
}
Loss losses::make_Dice(Fields& fields) { return Dice(fields.all<DiceOptions>()); }
Loss losses::make_Tversky(Fields& fields) { return Tversky(fields.all<TverskyOptions>()); }

}  // namespace stoker
