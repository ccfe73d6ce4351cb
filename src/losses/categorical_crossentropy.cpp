// CategoricalCrossentropy: -sum of labels times log probabilities over the last axis.
#include "losses/crossentropy.h"
#include "ops/align.h"

namespace stoker {

void describe(Fields& fields, CategoricalCrossentropyOptions& options) {
  losses::describe_common(fields, "categorical_crossentropy", options.reduction);
  fields("from_logits", options.from_logits);
  fields("label_smoothing", options.label_smoothing);
  fields.only("axis", -1);
}

namespace {

using graph::Expr;
using graph::Value;

class CategoricalCrossentropyLoss final
    : public Described<losses::LossBase, CategoricalCrossentropyOptions> {
 public:
  explicit CategoricalCrossentropyLoss(CategoricalCrossentropyOptions options)
      : Described(options, "CategoricalCrossentropy", "categorical_crossentropy",
                  options.reduction) {
    losses::require_label_smoothing("CategoricalCrossentropy", options_.label_smoothing);
  }

  Value values(Value y_true, Value y_pred) const override {
    // The logits are looked for before shapes are matched, since matching may put a reshape between
    // them and the softmax.
    Value logits = options_.from_logits ? y_pred : losses::logits_behind_softmax(y_pred);
    const bool has_logits = static_cast<bool>(logits);
    if (!has_logits) logits = y_pred;
    ops::match_predictions(y_true, logits);
    const Value labels = smoothed(y_true);
    if (!has_logits) return from_probabilities(labels, logits);
    const Value rows = ops::softmax_cross_entropy(ops::as_rows(logits), ops::as_rows(labels));
    return ops::reshape(rows, ops::without_last(logits.shape()));
  }

 private:
  Value smoothed(Value labels) const {
    if (options_.label_smoothing == 0.0) return labels;
    const double share = options_.label_smoothing / static_cast<double>(labels.shape().back());
    return ops::map(labels, [&](Expr label) {
      return label * static_cast<float>(1.0 - options_.label_smoothing) + static_cast<float>(share);
    });
  }

  // Keras, too, first normalises the probabilities of this loss and then clips them.
  static Value from_probabilities(Value labels, Value probabilities) {
    const Value sum = ops::reduce_sum(probabilities, {-1}, true);
    const auto of_class = [](Expr label, Expr probability, Expr total) {
      return label * log(losses::clip_probability(probability / total));
    };
    return ops::reduce(ops::ReduceKind::sum, labels, probabilities, sum, of_class, {-1}, false,
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
