// CosineSimilarity: minus the cosine of the angle between labels and predictions along an axis.
#include <utility>

#include "losses/axes.h"
#include "losses/loss.h"
#include "ops/align.h"

namespace stoker {

void describe(Fields& fields, CosineSimilarityOptions& options) {
  losses::describe_common(fields, "cosine_similarity", options.name, options.reduction);
  // Keras does not write it.
  if (fields.reads() || options.axis != -1) fields("axis", options.axis);
}

namespace {

using graph::Expr;
using graph::Value;

class CosineSimilarityLoss final : public Described<losses::LossBase, CosineSimilarityOptions> {
 public:
  explicit CosineSimilarityLoss(const CosineSimilarityOptions& options)
      : Described(options, "CosineSimilarity", losses::name_or(options.name, "cosine_similarity"),
                  options.reduction) {}

  Value values(Value y_true, Value y_pred) const override {
    ops::match_predictions(y_true, y_pred);
    const std::int64_t axis = losses::axis_in(y_pred, options_.axis);
    return ops::reduce(ops::ReduceKind::sum, normalized(y_true, axis), normalized(y_pred, axis),
                       [](Expr a, Expr b) { return -(a * b); }, {axis});
  }

 private:
  // x / |x|; for a length below Keras's epsilon, x / epsilon.
  static Value normalized(Value x, std::int64_t axis) {
    constexpr float kEpsilon = 1e-7f;
    const Value squares = ops::reduce(
        ops::ReduceKind::sum, x, [](Expr element) { return square(element); }, {axis}, true);
    return ops::map(x, squares, [](Expr element, Expr sum) {
      return element * rsqrt(max(sum, kEpsilon * kEpsilon));
    });
  }
};

}  // namespace

Loss CosineSimilarity(CosineSimilarityOptions options) {
  return Loss(std::make_shared<const CosineSimilarityLoss>(std::move(options)));
}
Loss losses::make_CosineSimilarity(Fields& fields) {
  return CosineSimilarity(fields.all<CosineSimilarityOptions>());
}

}  // namespace stoker
