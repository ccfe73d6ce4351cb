// MeanSquaredError: the mean over the last axis.
#include <utility>

#include "losses/elementwise.h"
#include "losses/plain_loss.h"
#include "ops/align.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Value;

struct MeanSquaredErrorFormula {
  static constexpr const char* kClass = "MeanSquaredError";
  static constexpr const char* kName = "mean_squared_error";
  static Value values(Value y_true, Value y_pred) {
    ops::match_predictions(y_true, y_pred);
    return losses::mean_of_last_axis(
        y_true, y_pred, [](Expr label, Expr prediction) { return square(label - prediction); });
  }
};

}  // namespace

Loss MeanSquaredError(LossOptions options) {
  return losses::plain_loss<MeanSquaredErrorFormula>(std::move(options));
}
Loss losses::make_MeanSquaredError(Fields& fields) {
  return plain_loss<MeanSquaredErrorFormula>(fields);
}

}  // namespace stoker
