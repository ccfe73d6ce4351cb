// Whether the label's class is among the k largest predictions.
#include <utility>

#include "core/check.h"
#include "metrics/mean_metric.h"
#include "ops/align.h"

namespace stoker::metrics {
namespace {

using graph::Expr;
using graph::Value;

struct CategoricalArguments {
  std::string name = "top_k_categorical_accuracy";
  std::int64_t k = 5;
};
struct SparseArguments {
  std::string name = "sparse_top_k_categorical_accuracy";
  std::int64_t k = 5;
};
void describe(Fields& fields, CategoricalArguments& top) {
  describe_common(fields, top.name);
  fields("k", top.k);
}
void describe(Fields& fields, SparseArguments& top) {
  describe_common(fields, top.name);
  fields("k", top.k);
  fields.never({"from_sorted_ids"});
}

// `chosen` is 1 for the label's class and 0 for the others. Predictions that equal the label's do
// not push it out.
Value is_among_largest(Value chosen, Value y_pred, std::int64_t k) {
  const Value own = ops::reduce(
      ops::ReduceKind::sum, chosen, y_pred,
      [](Expr is_class, Expr prediction) { return is_class * prediction; }, {-1}, true);
  const Value larger =
      ops::reduce(ops::ReduceKind::sum, y_pred, own,
                  [](Expr prediction, Expr of_label) { return less(of_label, prediction); }, {-1});
  return ops::map(larger, [k](Expr count) { return less(count, static_cast<float>(k)); });
}

class TopKCategoricalAccuracyMetric final : public Described<MeanMetric, CategoricalArguments> {
 public:
  explicit TopKCategoricalAccuracyMetric(const CategoricalArguments& arguments)
      : Described(arguments, "TopKCategoricalAccuracy", arguments.name) {
    check::require("TopKCategoricalAccuracy", "k", arguments.k, check::at_least(1));
  }
  bool larger_is_better() const override { return true; }

 protected:
  Value values(Value y_true, Value y_pred) const override {
    ops::match_predictions(y_true, y_pred);
    const Value chosen = ops::one_hot(ops::argmax(y_true), y_pred.shape().back());
    return is_among_largest(chosen, y_pred, options_.k);
  }
};

class SparseTopKCategoricalAccuracyMetric final : public Described<MeanMetric, SparseArguments> {
 public:
  explicit SparseTopKCategoricalAccuracyMetric(const SparseArguments& arguments)
      : Described(arguments, "SparseTopKCategoricalAccuracy", arguments.name) {
    check::require("SparseTopKCategoricalAccuracy", "k", arguments.k, check::at_least(1));
  }
  bool larger_is_better() const override { return true; }

 protected:
  Value values(Value y_true, Value y_pred) const override {
    const Value labels = ops::cast(ops::class_numbers(y_true, y_pred), DType::int32);
    const Value predictions = ops::to_float(y_pred);
    return is_among_largest(ops::one_hot(labels, y_pred.shape().back()), predictions, options_.k);
  }
};

template <class M, class Arguments>
Metric make(const Arguments& arguments) {
  return Metric(std::make_shared<const M>(arguments));
}
template <class M, class Arguments>
Metric of_options(const TopKOptions& options) {
  auto arguments = named<Arguments>(options.name);
  arguments.k = options.k;
  return make<M>(arguments);
}

}  // namespace

Metric make_TopKCategoricalAccuracy(Fields& fields) {
  return make<TopKCategoricalAccuracyMetric>(fields.all<CategoricalArguments>());
}
Metric make_SparseTopKCategoricalAccuracy(Fields& fields) {
  return make<SparseTopKCategoricalAccuracyMetric>(fields.all<SparseArguments>());
}

}  // namespace stoker::metrics

namespace stoker {

Metric TopKCategoricalAccuracy(TopKOptions options) {
  using namespace metrics;
  return of_options<TopKCategoricalAccuracyMetric, CategoricalArguments>(options);
}
Metric SparseTopKCategoricalAccuracy(TopKOptions options) {
  using namespace metrics;
  return of_options<SparseTopKCategoricalAccuracyMetric, SparseArguments>(options);
}

}  // namespace stoker
