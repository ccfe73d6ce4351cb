// MeanAbsoluteError: the mean over the last axis.
#include "losses/elementwise.h"
#include "ops/align.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Value;

class MeanAbsoluteErrorLoss final : public losses::LossBase {
 public:
  explicit MeanAbsoluteErrorLoss(LossOptions options)
      : LossBase("mean_absolute_error", std::move(options.reduction)) {}

  Value values(Value y_true, Value y_pred) const override {
    ops::match_predictions(y_true, y_pred);
    return losses::mean_of_last_axis(
        y_true, y_pred, [](Expr label, Expr prediction) { return abs(label - prediction); });
  }
};

}  // namespace

Loss MeanAbsoluteError(LossOptions options) {
  return Loss(std::make_shared<const MeanAbsoluteErrorLoss>(std::move(options)));
}

}  // namespace stoker
