// Correlations of labels and predictions along an axis, and the mean of them.
#include <utility>

#include "losses/axes.h"
#include "metrics/mean_metric.h"
#include "ops/align.h"

namespace stoker::metrics {
namespace {

using graph::Expr;
using graph::Value;

struct PearsonArguments {
  std::string name = "pearson_correlation";
  std::int64_t axis = -1;
};
struct ConcordanceArguments {
  std::string name = "concordance_correlation";
  std::int64_t axis = -1;
};
void describe(Fields& fields, PearsonArguments& pearson) {
  describe_common(fields, pearson.name);
  fields("axis", pearson.axis);
}
void describe(Fields& fields, ConcordanceArguments& concordance) {
  describe_common(fields, concordance.name);
  fields("axis", concordance.axis);
}

Value mean(Value x, std::int64_t axis) { return ops::reduce_mean(x, {axis}, true); }
Value centred(Value x, std::int64_t axis) {
  return ops::map(x, mean(x, axis), [](Expr element, Expr m) { return element - m; });
}
Value mean_square(Value x, std::int64_t axis) {
  return ops::reduce(
      ops::ReduceKind::sum, x, [](Expr element) { return square(element); }, {axis}, true,
      losses::share_of(x, axis));
}

class PearsonCorrelationMetric final : public Described<MeanMetric, PearsonArguments> {
 public:
  explicit PearsonCorrelationMetric(const PearsonArguments& arguments)
      : Described(arguments, "PearsonCorrelation", arguments.name) {}
  bool larger_is_better() const override { return true; }

 protected:
  Value values(Value y_true, Value y_pred) const override {
    ops::match_predictions(y_true, y_pred);
    const std::int64_t axis = losses::axis_in(y_pred, options_.axis);
    return ops::reduce(
        ops::ReduceKind::sum, normalized(y_true, axis), normalized(y_pred, axis),
        [](Expr a, Expr b) { return a * b; }, {axis}, false, losses::share_of(y_pred, axis));
  }

 private:
  static Value normalized(Value x, std::int64_t axis) {
    const Value own = centred(x, axis);
    return ops::map(own, mean_square(own, axis),
                    [](Expr element, Expr variance) { return element / sqrt(variance); });
  }
};

class ConcordanceCorrelationMetric final : public Described<MeanMetric, ConcordanceArguments> {
 public:
  explicit ConcordanceCorrelationMetric(const ConcordanceArguments& arguments)
      : Described(arguments, "ConcordanceCorrelation", arguments.name) {}
  bool larger_is_better() const override { return true; }

 protected:
  Value values(Value y_true, Value y_pred) const override {
    ops::match_predictions(y_true, y_pred);
    const std::int64_t axis = losses::axis_in(y_pred, options_.axis);
    const Value of_predictions = mean(y_pred, axis);
    const Value norm = ops::map(
        ops::add(mean_square(centred(y_true, axis), axis),
                 mean_square(centred(y_pred, axis), axis)),
        ops::map(mean(y_true, axis), of_predictions, [](Expr a, Expr b) { return square(a - b); }),
        [](Expr variances, Expr distance) { return variances + distance + 1e-7f; });
    // Keras centres both around the predictions' mean here.
    const Value products = ops::map(
        y_true, y_pred, of_predictions,
        [](Expr label, Expr prediction, Expr m) { return (label - m) * (prediction - m); });
    return ops::reduce(
        ops::ReduceKind::sum, products, norm,
        [](Expr product, Expr n) { return 2.0f * product / n; }, {axis}, false,
        losses::share_of(y_pred, axis));
  }
};

template <class M, class Arguments>
Metric of_options(const CorrelationOptions& options) {
  auto arguments = named<Arguments>(options.name);
  arguments.axis = options.axis;
  return Metric(std::make_shared<const M>(arguments));
}

}  // namespace

Metric make_PearsonCorrelation(Fields& fields) {
  return Metric(std::make_shared<const PearsonCorrelationMetric>(fields.all<PearsonArguments>()));
}
Metric make_ConcordanceCorrelation(Fields& fields) {
  return Metric(
      std::make_shared<const ConcordanceCorrelationMetric>(fields.all<ConcordanceArguments>()));
}

}  // namespace stoker::metrics

namespace stoker {

Metric PearsonCorrelation(CorrelationOptions options) {
  using namespace metrics;
  return of_options<PearsonCorrelationMetric, PearsonArguments>(options);
}
Metric ConcordanceCorrelation(CorrelationOptions options) {
  using namespace metrics;
  return of_options<ConcordanceCorrelationMetric, ConcordanceArguments>(options);
}

}  // namespace stoker
