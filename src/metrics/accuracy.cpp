// The accuracies: how often the prediction is the label.
#include "metrics/accuracy.h"

#include "core/check.h"
#include "core/format.h"
#include "metrics/mean_metric.h"
#include "ops/align.h"
#include "stoker/error.h"

namespace stoker {
namespace metrics {
namespace {

using graph::Expr;
using graph::Value;

Value equal_elements(Value a, Value b) {
  return ops::map(a, b, [](Expr x, Expr y) { return equal(x, y); });
}

class ElementAccuracy final : public MeanMetric {
 public:
  using MeanMetric::MeanMetric;

 protected:
  Value values(Value y_true, Value y_pred) const override {
    ops::match_predictions(y_true, y_pred);
    return equal_elements(y_true, y_pred);
  }
};

class ThresholdAccuracy final : public MeanMetric {
 public:
  ThresholdAccuracy(std::string name, double threshold)
      : MeanMetric(std::move(name)), threshold_(static_cast<float>(threshold)) {
    check::require("BinaryAccuracy", "a threshold", threshold, check::finite());
  }

 protected:
  Value values(Value y_true, Value y_pred) const override {
    ops::match_predictions(y_true, y_pred);
    return ops::map(y_true, y_pred, [this](Expr label, Expr prediction) {
      return equal(label, less(threshold_, prediction));
    });
  }

 private:
  const float threshold_;
};

class ClassAccuracy final : public MeanMetric {
 public:
  using MeanMetric::MeanMetric;

 protected:
  Value values(Value y_true, Value y_pred) const override {
    ops::match_predictions(y_true, y_pred);
    return equal_elements(ops::argmax(y_true), ops::argmax(y_pred));
  }
};

class SparseClassAccuracy final : public MeanMetric {
 public:
  using MeanMetric::MeanMetric;

 protected:
  Value values(Value y_true, Value y_pred) const override {
    const Value labels = ops::class_numbers(y_true, y_pred);
    return equal_elements(labels, ops::argmax(ops::to_float(y_pred)));
  }
};

class ChosenAccuracy final : public MetricBase {
 public:
  using MetricBase::MetricBase;

  int totals() const override { return 2; }
  std::vector<Value> build(Value y_true, Value y_pred, Value sample_weight) const override {
    return resolve(y_true.shape(), y_pred.shape())->build(y_true, y_pred, sample_weight);
  }
  double result(std::span<const double> totals) const override {
    return make_accuracy(name())->result(totals);
  }
  MetricPtr resolve(const Shape& y_true, const Shape& y_pred) const override {
    const auto last = [](const Shape& shape) { return shape.rank() == 0 ? 1 : shape.back(); };
    if (last(y_pred) == 1) return make_binary_accuracy(name());
    const bool is_sparse = y_true.rank() < y_pred.rank() || last(y_true) == 1;
    return is_sparse ? make_sparse_categorical_accuracy(name()) : make_categorical_accuracy(name());
  }
};

}  // namespace

MetricPtr make_accuracy(std::string name) {
  return std::make_shared<const ElementAccuracy>(std::move(name));
}
MetricPtr make_binary_accuracy(std::string name, double threshold) {
  return std::make_shared<const ThresholdAccuracy>(std::move(name), threshold);
}
MetricPtr make_categorical_accuracy(std::string name) {
  return std::make_shared<const ClassAccuracy>(std::move(name));
}
MetricPtr make_sparse_categorical_accuracy(std::string name) {
  return std::make_shared<const SparseClassAccuracy>(std::move(name));
}
MetricPtr make_chosen_accuracy(std::string name) {
  return std::make_shared<const ChosenAccuracy>(std::move(name));
}

}  // namespace metrics

namespace {

std::string name_or(const std::string& name, const char* otherwise) {
  return name.empty() ? otherwise : name;
}

}  // namespace

Metric Accuracy(MetricOptions options) {
  return Metric(metrics::make_accuracy(name_or(options.name, "accuracy")));
}
Metric BinaryAccuracy(BinaryAccuracyOptions options) {
  return Metric(
      metrics::make_binary_accuracy(name_or(options.name, "binary_accuracy"), options.threshold));
}
Metric CategoricalAccuracy(MetricOptions options) {
  return Metric(metrics::make_categorical_accuracy(name_or(options.name, "categorical_accuracy")));
}
Metric SparseCategoricalAccuracy(MetricOptions options) {
  return Metric(metrics::make_sparse_categorical_accuracy(
      name_or(options.name, "sparse_categorical_accuracy")));
}

}  // namespace stoker
