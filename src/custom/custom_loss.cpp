// Losses and metrics that are functions of the user's.
#include <algorithm>
#include <utility>

#include "core/fields.h"
#include "custom/custom_layer.h"
#include "losses/loss.h"
#include "metrics/mean_metric.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace custom {
namespace {

// Calls the function, whose result is one value for each element of the batch, or one for all.
graph::Value values_of(const std::string& label, const LossFunction& function, graph::Value y_true,
                       graph::Value y_pred) {
  graph::Graph& graph = *y_pred.graph;
  const layers::BuildScope scope(graph, nullptr);
  const Value result = function(layers::value_of(y_true), layers::value_of(y_pred));
  const graph::Value values = Fields::with_place(label, [&] { return layers::tensor_of(result); });
  if (!depends_on(values, {&y_pred, 1})) {
    throw ValueError(format(label, ": expected a result that depends on the predictions, received ",
                            "one that is the same for all of them, with which nothing is trained"));
  }
  const Shape& shape = values.shape();
  if (shape.rank() > 0 && shape[0] != y_pred.shape()[0]) {
    throw ShapeError(format(label, ": expected a value for each of the ", y_pred.shape()[0],
                            " elements of the batch, (batch, ...), or one for all, received ",
                            shape));
  }
  return ops::to_float(values);
}

class FunctionLoss final : public losses::LossBase {
 public:
  FunctionLoss(std::string name, LossFunction function, std::string reduction)
      : LossBase("function", std::move(name), std::move(reduction)),
        function_(std::move(function)) {}

  void write_fields(Fields&) const override {}
  bool is_function() const override { return true; }
  graph::Value values(graph::Value y_true, graph::Value y_pred) const override {
    return values_of(format("loss \"", name(), "\""), function_, y_true, y_pred);
  }

 private:
  const LossFunction function_;
};

class FunctionMetric final : public metrics::MeanMetric {
 public:
  FunctionMetric(std::string name, LossFunction function, bool larger_is_better)
      : MeanMetric("function", std::move(name)),
        function_(std::move(function)),
        larger_is_better_(larger_is_better) {}

  void write_fields(Fields&) const override {}
  bool is_function() const override { return true; }
  bool larger_is_better() const override { return larger_is_better_; }

 protected:
  graph::Value values(graph::Value y_true, graph::Value y_pred) const override {
    return values_of(format("metric \"", name(), "\""), function_, y_true, y_pred);
  }

 private:
  const LossFunction function_;
  const bool larger_is_better_;
};

class ObjectMetric final : public metrics::MetricBase {
 public:
  ObjectMetric(std::string name, std::shared_ptr<const CustomMetric> metric)
      : MetricBase("function", std::move(name)),
        metric_(std::move(metric)),
        totals_(metric_->totals()) {
    if (totals_ < 1 || totals_ > (1 << 24)) {
      throw ValueError(format(label(), ": expected 1 to 2^24 totals, received ", totals_));
    }
  }

  void write_fields(Fields&) const override {}
  bool is_function() const override { return true; }
  int totals() const override { return static_cast<int>(totals_); }
  double result(std::span<const double> totals) const override { return metric_->result(totals); }
  bool larger_is_better() const override { return metric_->larger_is_better(); }

  std::vector<graph::Value> build(graph::Value y_true, graph::Value y_pred,
                                  graph::Value sample_weight) const override {
    graph::Graph& graph = *y_pred.graph;
    const graph::Scope origin(graph, {graph::Origin::Kind::metric, label()});
    const layers::BuildScope scope(graph, nullptr);
    const Value weight = sample_weight ? layers::value_of(sample_weight) : Value();
    std::vector<graph::Value> additions;
    std::int64_t elements = 0;
    for (const Value& value :
         metric_->update(layers::value_of(y_true), layers::value_of(y_pred), weight)) {
      const graph::Value tensor =
          Fields::with_place(label(), [&] { return ops::to_float(layers::tensor_of(value)); });
      additions.push_back(tensor);
      elements += tensor.shape().elements();
    }
    ops::require(elements == totals_, graph, "expected update() to give ", totals_,
                 " elements, one for each total, received ", elements);
    return additions;
  }

 private:
  std::string label() const { return format("metric \"", name(), "\""); }

  const std::shared_ptr<const CustomMetric> metric_;
  const std::int64_t totals_;
};

void require_named(const char* what, const std::string& name, bool has_function) {
  if (name.empty()) throw ValueError(format(what, ": expected a name, received none"));
  if (!has_function) {
    throw ValueError(format(what, ": expected a function for \"", name, "\", received none"));
  }
}

}  // namespace
}  // namespace custom

CustomMetric::~CustomMetric() = default;

Loss custom_loss(std::string name, LossFunction function, std::string reduction) {
  custom::require_named("custom_loss", name, static_cast<bool>(function));
  return Loss(std::make_shared<const custom::FunctionLoss>(std::move(name), std::move(function),
                                                           std::move(reduction)));
}
void register_loss(const Loss& loss) { losses::make_known(loss); }

Metric custom_metric(std::string name, LossFunction function, bool larger_is_better) {
  custom::require_named("custom_metric", name, static_cast<bool>(function));
  return Metric(std::make_shared<const custom::FunctionMetric>(std::move(name), std::move(function),
                                                               larger_is_better));
}
Metric custom_metric(std::string name, std::shared_ptr<const CustomMetric> metric) {
  custom::require_named("custom_metric", name, metric != nullptr);
  return Metric(std::make_shared<const custom::ObjectMetric>(std::move(name), std::move(metric)));
}
void register_metric(const Metric& metric) { metrics::make_known(metric); }

}  // namespace stoker
