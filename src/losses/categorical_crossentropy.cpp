// CategoricalCrossentropy: -sum of labels times log probabilities over the last axis.
#include "losses/axes.h"
#include "losses/crossentropy.h"
#include "ops/align.h"

namespace stoker {

void describe(Fields& fields, CategoricalCrossentropyOptions& options) {
  losses::describe_common(fields, "categorical_crossentropy", options.name, options.reduction);
  fields("from_logits", options.from_logits);
  fields("label_smoothing", options.label_smoothing);
  fields("axis", options.axis);
}

namespace {

using graph::Expr;
using graph::Value;

class CategoricalCrossentropyLoss final
    : public Described<losses::LossBase, CategoricalCrossentropyOptions> {
 public:
  explicit CategoricalCrossentropyLoss(CategoricalCrossentropyOptions options)
      : Described(options, "CategoricalCrossentropy",
                  losses::name_or(options.name, "categorical_crossentropy"), options.reduction) {
    losses::require_label_smoothing("CategoricalCrossentropy", options_.label_smoothing);
  }

  Value values(Value y_true, Value y_pred) const override {
    // The logits are looked for before shapes are matched, since matching may put a reshape between
    // them and the softmax.
    Value logits = options_.from_logits ? y_pred : losses::logits_behind_softmax(y_pred);
    const bool has_logits = static_cast<bool>(logits);
    // The softmax of a layer is along the last axis.
    const bool is_last = losses::axis_in(y_pred, options_.axis) + 1 ==
                         static_cast<std::int64_t>(y_pred.shape().rank());
    if (!has_logits || (!is_last && !options_.from_logits)) logits = y_pred;
    ops::match_predictions(y_true, logits);
    const std::int64_t axis = losses::axis_in(logits, options_.axis);
    const Value labels = losses::smoothed_labels(y_true, options_.label_smoothing);
    if (!is_last) {
      return options_.from_logits ? from_logits(labels, logits, axis)
                                  : from_probabilities(labels, logits, axis);
    }
    if (!has_logits) return from_probabilities(labels, logits, axis);
    const Value rows = ops::softmax_cross_entropy(ops::as_rows(logits), ops::as_rows(labels));
    return ops::reshape(rows, ops::without_last(logits.shape()));
  }

 private:
  // The sum of labels times (log of the sum of exp(x - m)) - (x - m), with the largest m.
  static Value from_logits(Value labels, Value logits, std::int64_t axis) {
    const Value largest = ops::reduce(ops::ReduceKind::max, logits, {axis}, true);
    const Value shifted = ops::map(logits, largest, [](Expr x, Expr m) { return x - m; });
    const Value sum = ops::reduce(
        ops::ReduceKind::sum, shifted, [](Expr x) { return exp(x); }, {axis}, true);
    const auto of_class = [](Expr label, Expr x, Expr total) { return label * (log(total) - x); };
    return ops::reduce(ops::ReduceKind::sum, labels, shifted, sum, of_class, {axis});
  }

  // Keras, too, first normalises the probabilities of this loss and then clips them.
  static Value from_probabilities(Value labels, Value probabilities, std::int64_t axis) {
    const Value sum = ops::reduce_sum(probabilities, {axis}, true);
    const auto of_class = [](Expr label, Expr probability, Expr total) {
      return label * log(losses::clip_probability(probability / total));
    };
    return ops::reduce(ops::ReduceKind::sum, labels, probabilities, sum, of_class, {axis}, false,
                       -1.0f);
  }
};

}  // namespace

Loss CategoricalCrossentropy(CategoricalCrossentropyOptions options) {
  return Loss(std::make_shared<const CategoricalCrossentropyLoss>(options));
}

Loss losses::make_CategoricalCrossentropy(Fields& fields) {
  return CategoricalCrossentropy(fields.all<CategoricalCrossentropyOptions>());
}

}  // namespace stoker
