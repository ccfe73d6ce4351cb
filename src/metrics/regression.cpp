// MeanSquaredError and MeanAbsoluteError as metrics.
#include "metrics/mean_metric.h"
#include "ops/align.h"

namespace stoker::metrics {
namespace {

using graph::Expr;
using graph::Value;

using Rule = Expr (*)(Expr difference);

template <class Arguments>
class ErrorMetric final : public Described<MeanMetric, Arguments> {
 public:
  ErrorMetric(const char* class_name, const Arguments& arguments, Rule rule)
      : Described<MeanMetric, Arguments>(arguments, class_name, arguments.name), rule_(rule) {}

  bool larger_is_better() const override { return false; }

 protected:
  // The values are means over the last axis, as in the loss of the same name; a weight applies to
  // each of these means.
  Value values(Value y_true, Value y_pred) const override {
    ops::match_predictions(y_true, y_pred);
    const Value errors = ops::map(
        y_true, y_pred, [this](Expr label, Expr prediction) { return rule_(label - prediction); });
    return errors.shape().rank() == 0 ? errors : ops::reduce_mean(errors, {-1});
  }

 private:
  const Rule rule_;
};

struct SquaredArguments {
  std::string name = "mean_squared_error";
};
struct AbsoluteArguments {
  std::string name = "mean_absolute_error";
};
void describe(Fields& fields, SquaredArguments& squared) { describe_common(fields, squared.name); }
void describe(Fields& fields, AbsoluteArguments& absolute) {
  describe_common(fields, absolute.name);
}

Metric make(const SquaredArguments& squared) {
  return Metric(std::make_shared<const ErrorMetric<SquaredArguments>>(
      "MeanSquaredError", squared, [](Expr error) { return square(error); }));
}
Metric make(const AbsoluteArguments& absolute) {
  return Metric(std::make_shared<const ErrorMetric<AbsoluteArguments>>(
      "MeanAbsoluteError", absolute, [](Expr error) { return abs(error); }));
}

}  // namespace

Metric MeanSquaredError(MetricOptions options) {
  return make(named<SquaredArguments>(options.name));
}
Metric MeanAbsoluteError(MetricOptions options) {
  return make(named<AbsoluteArguments>(options.name));
}

Metric make_MeanSquaredError(Fields& fields) { return make(fields.all<SquaredArguments>()); }
Metric make_MeanAbsoluteError(Fields& fields) { return make(fields.all<AbsoluteArguments>()); }

}  // namespace stoker::metrics
