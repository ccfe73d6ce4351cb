// BinaryCrossentropy: -(z log p + (1 - z) log(1 - p)), the mean over the last axis.
#include "losses/crossentropy.h"
#include "losses/elementwise.h"
#include "ops/align.h"

namespace stoker {

void describe(Fields& fields, BinaryCrossentropyOptions& options) {
  losses::describe_common(fields, "binary_crossentropy", options.name, options.reduction);
  fields("from_logits", options.from_logits);
  fields("label_smoothing", options.label_smoothing);
  fields("axis", options.axis);
}

namespace {

using graph::Expr;
using graph::Value;

// The loss from logits is max(x, 0) - x z + log1p(e^-|x|). It is built from selects, so that its
// slope at 0 is 1/2 - z.
Expr from_logits(Expr label, Expr logit) {
  const Expr zero{logit.expression, logit.expression->constant(0.0f)};
  const Expr is_negative = less(logit, 0.0f);
  return select(is_negative, zero, logit) - logit * label +
         log1p(exp(select(is_negative, logit, -logit)));
}

class BinaryCrossentropyLoss final : public Described<losses::LossBase, BinaryCrossentropyOptions> {
 public:
  explicit BinaryCrossentropyLoss(BinaryCrossentropyOptions options)
      : Described(options, "BinaryCrossentropy",
                  losses::name_or(options.name, "binary_crossentropy"), options.reduction) {
    losses::require_label_smoothing("BinaryCrossentropy", options_.label_smoothing);
  }

  Value values(Value y_true, Value y_pred) const override {
    Value logits = options_.from_logits ? y_pred : losses::logits_behind_sigmoid(y_pred);
    const bool has_logits = static_cast<bool>(logits);
    if (!has_logits) logits = y_pred;
    ops::match_predictions(y_true, logits);
    const auto keep = static_cast<float>(1.0 - options_.label_smoothing);
    const auto share = static_cast<float>(0.5 * options_.label_smoothing);
    const auto loss = [&](Expr label, Expr prediction) {
      const Expr smoothed = label * keep + share;
      return has_logits ? from_logits(smoothed, prediction)
                        : losses::binary_crossentropy(smoothed, prediction);
    };
    return losses::mean_of_axis(y_true, logits, loss, options_.axis);
  }
};

}  // namespace

Loss BinaryCrossentropy(BinaryCrossentropyOptions options) {
  return Loss(std::make_shared<const BinaryCrossentropyLoss>(options));
}

Loss losses::make_BinaryCrossentropy(Fields& fields) {
  return BinaryCrossentropy(fields.all<BinaryCrossentropyOptions>());
}

}  // namespace stoker
