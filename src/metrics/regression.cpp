// MeanSquaredError and MeanAbsoluteError as metrics.
#include "metrics/mean_metric.h"
#include "ops/align.h"

namespace stoker::metrics {
namespace {

using graph::Expr;
using graph::Value;

class ErrorMetric final : public MeanMetric {
 public:
  using Rule = Expr (*)(Expr difference);
  ErrorMetric(std::string name, Rule rule) : MeanMetric(std::move(name)), rule_(rule) {}

 protected:
  // The mean over the last axis, as the loss of the same name: a weight goes with each of those.
  Value values(Value y_true, Value y_pred) const override {
    ops::match_predictions(y_true, y_pred);
    const Value errors = ops::map(
        y_true, y_pred, [this](Expr label, Expr prediction) { return rule_(label - prediction); });
    return errors.shape().rank() == 0 ? errors : ops::reduce_mean(errors, {-1});
  }

 private:
  const Rule rule_;
};

Metric make(const std::string& name, const char* otherwise, ErrorMetric::Rule rule) {
  return Metric(std::make_shared<const ErrorMetric>(name.empty() ? otherwise : name, rule));
}

}  // namespace

Metric MeanSquaredError(MetricOptions options) {
  return make(options.name, "mean_squared_error", [](Expr error) { return square(error); });
}
Metric MeanAbsoluteError(MetricOptions options) {
  return make(options.name, "mean_absolute_error", [](Expr error) { return abs(error); });
}

}  // namespace stoker::metrics
