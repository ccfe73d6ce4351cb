// Focal cross-entropies: Lin et al., "Focal Loss for Dense Object Detection", 2017. What is
// predicted well already counts less.
#include <utility>

#include "losses/axes.h"
#include "losses/crossentropy.h"
#include "losses/elementwise.h"
#include "ops/align.h"

namespace stoker {

void describe(Fields& fields, BinaryFocalCrossentropyOptions& options) {
  losses::describe_common(fields, "binary_focal_crossentropy", options.name, options.reduction);
  fields("from_logits", options.from_logits);
  fields("label_smoothing", options.label_smoothing);
  fields("axis", options.axis);
  fields("apply_class_balancing", options.apply_class_balancing);
  fields("alpha", options.alpha);
  fields("gamma", options.gamma);
}
void describe(Fields& fields, CategoricalFocalCrossentropyOptions& options) {
  losses::describe_common(fields, "categorical_focal_crossentropy", options.name,
                          options.reduction);
  fields("from_logits", options.from_logits);
  fields("label_smoothing", options.label_smoothing);
  fields("axis", options.axis);
  fields("alpha", options.alpha);
  fields("gamma", options.gamma);
}

namespace {

using graph::Expr;
using graph::Value;

class BinaryFocalCrossentropyLoss final
    : public Described<losses::LossBase, BinaryFocalCrossentropyOptions> {
 public:
  explicit BinaryFocalCrossentropyLoss(const BinaryFocalCrossentropyOptions& options)
      : Described(options, "BinaryFocalCrossentropy",
                  losses::name_or(options.name, "binary_focal_crossentropy"), options.reduction) {
    losses::require_label_smoothing("BinaryFocalCrossentropy", options_.label_smoothing);
  }

  Value values(Value y_true, Value y_pred) const override {
    ops::match_predictions(y_true, y_pred);
    return losses::mean_of_axis(
        y_true, y_pred,
        [this](Expr label, Expr prediction) { return of_element(label, prediction); },
        options_.axis);
  }

 private:
  Expr of_element(Expr label, Expr prediction) const {
    const auto keep = static_cast<float>(1.0 - options_.label_smoothing);
    const auto alpha = static_cast<float>(options_.alpha);
    const Expr z = label * keep + static_cast<float>(0.5 * options_.label_smoothing);
    const Expr p = options_.from_logits ? sigmoid(prediction) : prediction;
    const Expr of_label = z * p + (1.0f - z) * (1.0f - p);
    const Expr focus = pow(1.0f - of_label, static_cast<float>(options_.gamma));
    const Expr loss = focus * losses::binary_crossentropy(z, p);
    if (!options_.apply_class_balancing) return loss;
    return (z * alpha + (1.0f - z) * (1.0f - alpha)) * loss;
  }
};

class CategoricalFocalCrossentropyLoss final
    : public Described<losses::LossBase, CategoricalFocalCrossentropyOptions> {
 public:
  explicit CategoricalFocalCrossentropyLoss(const CategoricalFocalCrossentropyOptions& options)
      : Described(options, "CategoricalFocalCrossentropy",
                  losses::name_or(options.name, "categorical_focal_crossentropy"),
                  options.reduction) {
    losses::require_label_smoothing("CategoricalFocalCrossentropy", options_.label_smoothing);
  }

  Value values(Value y_true, Value y_pred) const override {
    ops::match_predictions(y_true, y_pred);
    const std::int64_t axis = losses::axis_in(y_pred, options_.axis);
    const Value labels = losses::smoothed_labels(y_true, options_.label_smoothing);
    const Value p = options_.from_logits ? losses::softmax_along(y_pred, axis) : y_pred;
    const Value sum = ops::reduce_sum(p, {axis}, true);
    const auto of_class = [this](Expr label, Expr probability, Expr total) {
      const Expr share = losses::clip_probability(probability / total);
      const Expr focus = pow(1.0f - share, static_cast<float>(options_.gamma));
      return focus * static_cast<float>(-options_.alpha) * (label * log(share));
    };
    return ops::reduce(ops::ReduceKind::sum, labels, p, sum, of_class, {axis});
  }
};

}  // namespace

Loss BinaryFocalCrossentropy(BinaryFocalCrossentropyOptions options) {
  return Loss(std::make_shared<const BinaryFocalCrossentropyLoss>(std::move(options)));
}
Loss CategoricalFocalCrossentropy(CategoricalFocalCrossentropyOptions options) {
  return Loss(std::make_shared<const CategoricalFocalCrossentropyLoss>(std::move(options)));
}
Loss losses::make_BinaryFocalCrossentropy(Fields& fields) {
  return BinaryFocalCrossentropy(fields.all<BinaryFocalCrossentropyOptions>());
}
Loss losses::make_CategoricalFocalCrossentropy(Fields& fields) {
  return CategoricalFocalCrossentropy(fields.all<CategoricalFocalCrossentropyOptions>());
}

}  // namespace stoker
