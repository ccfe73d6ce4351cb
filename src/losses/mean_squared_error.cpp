// MeanSquaredError: the mean over the last axis.
#include "losses/elementwise.h"
#include "ops/align.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Value;

struct Arguments {
  LossOptions options{};
};

void describe(Fields& fields, Arguments& arguments) {
  losses::describe_common(fields, "mean_squared_error", arguments.options.reduction);
}

class MeanSquaredErrorLoss final : public Described<losses::LossBase, Arguments> {
 public:
  explicit MeanSquaredErrorLoss(const Arguments& arguments)
      : Described(arguments, "MeanSquaredError", "mean_squared_error",
                  arguments.options.reduction) {}

  Value values(Value y_true, Value y_pred) const override {
    ops::match_predictions(y_true, y_pred);
    return losses::mean_of_last_axis(
        y_true, y_pred, [](Expr label, Expr prediction) { return square(label - prediction); });
  }
};

}  // namespace

Loss MeanSquaredError(LossOptions options) {
  return Loss(std::make_shared<const MeanSquaredErrorLoss>(Arguments{std::move(options)}));
}

Loss losses::make_MeanSquaredError(Fields& fields) {
  return Loss(std::make_shared<const MeanSquaredErrorLoss>(fields.all<Arguments>()));
}

}  // namespace stoker
