// Huber: half the square of errors up to delta, and a line beyond it; the mean over the last axis.
#include <utility>

#include "core/check.h"
#include "losses/elementwise.h"
#include "ops/align.h"

namespace stoker {

void describe(Fields& fields, HuberOptions& options) {
  losses::describe_common(fields, "huber_loss", options.name, options.reduction);
  // Keras does not write it.
  if (fields.reads() || options.delta != 1.0) fields("delta", options.delta);
}

namespace {

using graph::Expr;
using graph::Value;

class HuberLoss final : public Described<losses::LossBase, HuberOptions> {
 public:
  explicit HuberLoss(const HuberOptions& options)
      : Described(options, "Huber", losses::name_or(options.name, "huber_loss"),
                  options.reduction) {
    check::require("Huber", "delta", options.delta, check::at_least(0));
  }

  Value values(Value y_true, Value y_pred) const override {
    ops::match_predictions(y_true, y_pred);
    const auto delta = static_cast<float>(options_.delta);
    return losses::mean_of_last_axis(y_true, y_pred, [delta](Expr label, Expr prediction) {
      const Expr error = prediction - label;
      return select(less_equal(abs(error), delta), 0.5f * square(error),
                    delta * abs(error) - 0.5f * delta * delta);
    });
  }
};

}  // namespace

Loss Huber(HuberOptions options) {
  return Loss(std::make_shared<const HuberLoss>(std::move(options)));
}
Loss losses::make_Huber(Fields& fields) { return Huber(fields.all<HuberOptions>()); }

}  // namespace stoker
