// Hinge losses, for labels of -1 and 1.
#include <numeric>
#include <utility>
#include <vector>

#include "losses/elementwise.h"
#include "losses/plain_loss.h"
#include "ops/align.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Value;

// Labels of a batch that are all 0 or 1 stand for -1 and 1.
Value signs_of(Value labels) {
  std::vector<std::int64_t> all(labels.shape().rank());
  std::iota(all.begin(), all.end(), 0);
  const Value has_others = ops::reduce(
      ops::ReduceKind::max, labels,
      [](Expr label) { return 1.0f - max(equal(label, 0.0f), equal(label, 1.0f)); }, all);
  return ops::map(labels, has_others, [](Expr label, Expr others) {
    return select(others, label, label * 2.0f - 1.0f);
  });
}

Expr margin(Expr label, Expr prediction) { return relu(1.0f - label * prediction); }

struct HingeFormula {
  static constexpr const char* kClass = "Hinge";
  static constexpr const char* kName = "hinge";
  static Value values(Value y_true, Value y_pred) {
    ops::match_predictions(y_true, y_pred);
    return losses::mean_of_last_axis(signs_of(y_true), y_pred, margin);
  }
};

struct SquaredHingeFormula {
  static constexpr const char* kClass = "SquaredHinge";
  static constexpr const char* kName = "squared_hinge";
  static Value values(Value y_true, Value y_pred) {
    ops::match_predictions(y_true, y_pred);
    return losses::mean_of_last_axis(signs_of(y_true), y_pred, [](Expr label, Expr prediction) {
      return square(margin(label, prediction));
    });
  }
};

struct CategoricalHingeFormula {
  static constexpr const char* kClass = "CategoricalHinge";
  static constexpr const char* kName = "categorical_hinge";
  // How much the best wrong class falls short of the right one by less than 1.
  static Value values(Value y_true, Value y_pred) {
    ops::match_predictions(y_true, y_pred);
    const Value right =
        ops::reduce(ops::ReduceKind::sum, y_true, y_pred,
                    [](Expr label, Expr prediction) { return label * prediction; }, {-1});
    const Value wrong =
        ops::reduce(ops::ReduceKind::max, y_true, y_pred,
                    [](Expr label, Expr prediction) { return (1.0f - label) * prediction; }, {-1});
    return ops::map(right, wrong, [](Expr best, Expr other) { return relu(other - best + 1.0f); });
  }
};

}  // namespace

Loss Hinge(LossOptions options) { return losses::plain_loss<HingeFormula>(std::move(options)); }
Loss losses::make_Hinge(Fields& fields) { return plain_loss<HingeFormula>(fields); }

Loss SquaredHinge(LossOptions options) {
  return losses::plain_loss<SquaredHingeFormula>(std::move(options));
}
Loss losses::make_SquaredHinge(Fields& fields) { return plain_loss<SquaredHingeFormula>(fields); }

Loss CategoricalHinge(LossOptions options) {
  return losses::plain_loss<CategoricalHingeFormula>(std::move(options));
}
Loss losses::make_CategoricalHinge(Fields& fields) {
  return plain_loss<CategoricalHingeFormula>(fields);
}

}  // namespace stoker
