// SparseCategoricalCrossentropy: -log of the probability of the class that a label numbers.
#include "losses/crossentropy.h"
#include "ops/align.h"

namespace stoker {

void describe(Fields& fields, SparseCategoricalCrossentropyOptions& options) {
  losses::describe_common(fields, "sparse_categorical_crossentropy", options.name,
                          options.reduction);
  fields("from_logits", options.from_logits);
  fields("ignore_class", options.ignore_class);
  fields.only("axis", -1);
}

namespace {

using graph::Expr;
using graph::Value;

class SparseCategoricalCrossentropyLoss final
    : public Described<losses::LossBase, SparseCategoricalCrossentropyOptions> {
 public:
  explicit SparseCategoricalCrossentropyLoss(SparseCategoricalCrossentropyOptions options)
      : Described(options, "SparseCategoricalCrossentropy",
                  losses::name_or(options.name, "sparse_categorical_crossentropy"),
                  options.reduction) {}

  DType label_dtype() const override { return DType::int32; }

  Value values(Value y_true, Value y_pred) const override {
    ops::to_same_rank(y_true, y_pred);
    Value labels = ops::class_numbers(y_true, y_pred);
    const Value counts = mask(y_true, y_pred);
    // An ignored label may lie outside of the classes, so it becomes class 0.
    if (counts) labels = ops::multiply(labels, counts);
    if (labels.shape().rank() > 1) {
      const Shape& shape = labels.shape();
      labels = ops::reshape(labels, {shape.is_known() ? shape.elements() : Shape::kUnknown});
    }
    const Value losses = ops::softmax_cross_entropy(ops::as_rows(logits_of(y_pred)), labels);
    const Value shaped = ops::reshape(losses, ops::without_last(y_pred.shape()));
    if (!counts) return shaped;
    return ops::map(shaped, counts, [](Expr loss, Expr is_counted) {
      return select(is_counted, loss, {loss.expression, loss.expression->constant(0.0f)});
    });
  }

  Value mask(Value y_true, Value y_pred) const override {
    if (!options_.ignore_class) return {};
    ops::to_same_rank(y_true, y_pred);
    const auto ignored = static_cast<float>(*options_.ignore_class);
    return ops::map(ops::class_numbers(y_true, y_pred),
                    [&](Expr label) { return 1.0f - equal(label, ignored); });
  }

 private:
  // The softmax of log p normalises p, so that p is clipped before it is normalised. Keras has this
  // order in this loss too.
  Value logits_of(Value y_pred) const {
    if (options_.from_logits) return ops::to_float(y_pred);
    if (const Value logits = losses::logits_behind_softmax(y_pred)) return logits;
    return ops::map(y_pred, [](Expr p) { return log(losses::clip_probability(p)); });
  }
};

}  // namespace

Loss SparseCategoricalCrossentropy(SparseCategoricalCrossentropyOptions options) {
  return Loss(std::make_shared<const SparseCategoricalCrossentropyLoss>(options));
}

Loss losses::make_SparseCategoricalCrossentropy(Fields& fields) {
  return SparseCategoricalCrossentropy(fields.all<SparseCategoricalCrossentropyOptions>());
}

}  // namespace stoker
