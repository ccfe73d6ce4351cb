// MeanSquaredError: the mean over the last axis.
#include "losses/elementwise.h"
#include "ops/align.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Value;

class MeanSquaredErrorLoss final : public losses::LossBase {
 public:
  explicit MeanSquaredErrorLoss(LossOptions options)
      : LossBase("mean_squared_error", std::move(options.reduction)) {}

  Value values(Value y_true, Value y_pred) const override {
    ops::match_predictions(y_true, y_pred);
    return losses::mean_of_last_axis(
        y_true, y_pred, [](Expr label, Expr prediction) { return square(label - prediction); });
  }
};

}  // namespace

Loss MeanSquaredError(LossOptions options) {
  return Loss(std::make_shared<const MeanSquaredErrorLoss>(std::move(options)));
}

}  // namespace stoker
