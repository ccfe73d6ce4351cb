// MeanAbsoluteError: the mean over the last axis.
#include <utility>

#include "losses/elementwise.h"
#include "losses/plain_loss.h"
#include "ops/align.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Value;

struct MeanAbsoluteErrorFormula {
  static constexpr const char* kClass = "MeanAbsoluteError";
  static constexpr const char* kName = "mean_absolute_error";
  static Value values(Value y_true, Value y_pred) {
    ops::match_predictions(y_true, y_pred);
    return losses::mean_of_last_axis(
        y_true, y_pred, [](Expr label, Expr prediction) { return abs(label - prediction); });
  }
};

}  // namespace

Loss MeanAbsoluteError(LossOptions options) {
  return losses::plain_loss<MeanAbsoluteErrorFormula>(std::move(options));
}
Loss losses::make_MeanAbsoluteError(Fields& fields) {
  return plain_loss<MeanAbsoluteErrorFormula>(fields);
}

}  // namespace stoker
