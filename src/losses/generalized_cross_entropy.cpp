// CategoricalGeneralizedCrossEntropy: Zhang and Sabuncu, "Generalized Cross Entropy Loss for
// Training Deep Neural Networks with Noisy Labels", 2018.
#include <utility>

#include "core/check.h"
#include "losses/loss.h"
#include "ops/align.h"

namespace stoker {

void describe(Fields& fields, CategoricalGeneralizedCrossEntropyOptions& options) {
  losses::describe_common(fields, "categorical_generalized_cross_entropy", options.name,
                          options.reduction);
  fields("q", options.q);
}

namespace {

using graph::Expr;
using graph::Value;

class CategoricalGeneralizedCrossEntropyLoss final
    : public Described<losses::LossBase, CategoricalGeneralizedCrossEntropyOptions> {
 public:
  explicit CategoricalGeneralizedCrossEntropyLoss(
      const CategoricalGeneralizedCrossEntropyOptions& options)
      : Described(options, "CategoricalGeneralizedCrossEntropy",
                  losses::name_or(options.name, "categorical_generalized_cross_entropy"),
                  options.reduction) {
    check::Range inside = check::half_open(0, 1);
    inside.low_is_open = true;
    check::require("CategoricalGeneralizedCrossEntropy", "q", options.q, inside);
  }

  DType label_dtype() const override { return DType::int32; }

  Value values(Value y_true, Value y_pred) const override {
    ops::to_same_rank(y_true, y_pred);
    const Value labels = ops::cast(ops::class_numbers(y_true, y_pred), DType::int32);
    const Value chosen = ops::one_hot(labels, y_pred.shape().back());
    const Value p =
        ops::reduce(ops::ReduceKind::sum, chosen, ops::to_float(y_pred),
                    [](Expr is_class, Expr p_class) { return is_class * p_class; }, {-1});
    const auto q = static_cast<float>(options_.q);
    return ops::map(p, [q](Expr probability) { return (1.0f - pow(probability, q)) / q; });
  }
};

}  // namespace

Loss CategoricalGeneralizedCrossEntropy(CategoricalGeneralizedCrossEntropyOptions options) {
  return Loss(std::make_shared<const CategoricalGeneralizedCrossEntropyLoss>(std::move(options)));
}
Loss losses::make_CategoricalGeneralizedCrossEntropy(Fields& fields) {
  return CategoricalGeneralizedCrossEntropy(
      fields.all<CategoricalGeneralizedCrossEntropyOptions>());
}

}  // namespace stoker
