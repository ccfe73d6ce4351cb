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
using MetricPtr = std::shared_ptr<const MetricBase>;

Value equal_elements(Value a, Value b) {
  return ops::map(a, b, [](Expr x, Expr y) { return equal(x, y); });
}

struct AccuracyArguments {
  std::string name = "accuracy";
};
void describe(Fields& fields, AccuracyArguments& accuracy) {
  describe_common(fields, accuracy.name);
}

class ElementAccuracy final : public Described<MeanMetric, AccuracyArguments> {
 public:
  bool larger_is_better() const override { return true; }
  explicit ElementAccuracy(const AccuracyArguments& accuracy)
      : Described(accuracy, "Accuracy", accuracy.name) {}

 protected:
  Value values(Value y_true, Value y_pred) const override {
    ops::match_predictions(y_true, y_pred);
    return equal_elements(y_true, y_pred);
  }
};

struct BinaryArguments {
  std::string name = "binary_accuracy";
  double threshold = 0.5;
};
void describe(Fields& fields, BinaryArguments& binary) {
  describe_common(fields, binary.name);
  fields("threshold", binary.threshold);
}

class ThresholdAccuracy final : public Described<MeanMetric, BinaryArguments> {
 public:
  bool larger_is_better() const override { return true; }
  explicit ThresholdAccuracy(const BinaryArguments& binary)
      : Described(binary, "BinaryAccuracy", binary.name),
        threshold_(static_cast<float>(binary.threshold)) {
    check::require("BinaryAccuracy", "a threshold", binary.threshold, check::finite());
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

struct CategoricalArguments {
  std::string name = "categorical_accuracy";
};
void describe(Fields& fields, CategoricalArguments& categorical) {
  describe_common(fields, categorical.name);
}

class ClassAccuracy final : public Described<MeanMetric, CategoricalArguments> {
 public:
  bool larger_is_better() const override { return true; }
  explicit ClassAccuracy(const CategoricalArguments& categorical)
      : Described(categorical, "CategoricalAccuracy", categorical.name) {}

 protected:
  Value values(Value y_true, Value y_pred) const override {
    ops::match_predictions(y_true, y_pred);
    return equal_elements(ops::argmax(y_true), ops::argmax(y_pred));
  }
};

struct SparseArguments {
  std::string name = "sparse_categorical_accuracy";
};
void describe(Fields& fields, SparseArguments& sparse) { describe_common(fields, sparse.name); }

class SparseClassAccuracy final : public Described<MeanMetric, SparseArguments> {
 public:
  bool larger_is_better() const override { return true; }
  explicit SparseClassAccuracy(const SparseArguments& sparse)
      : Described(sparse, "SparseCategoricalAccuracy", sparse.name) {}

 protected:
  Value values(Value y_true, Value y_pred) const override {
    const Value labels = ops::class_numbers(y_true, y_pred);
    return equal_elements(labels, ops::argmax(ops::to_float(y_pred)));
  }
};

template <class Accuracy, class Arguments>
MetricPtr make(Arguments arguments) {
  return std::make_shared<const Accuracy>(arguments);
}

class ChosenAccuracy final : public MetricBase {
 public:
  bool larger_is_better() const override { return true; }
  explicit ChosenAccuracy(std::string name) : MetricBase("", std::move(name)) {}

  void write_fields(Fields&) const override {}
  int totals() const override { return 2; }
  std::vector<Value> build(Value y_true, Value y_pred, Value sample_weight) const override {
    return resolve(y_true.shape(), y_pred.shape())->build(y_true, y_pred, sample_weight);
  }
  double result(std::span<const double> totals) const override {
    return ElementAccuracy({name()}).result(totals);
  }
  MetricPtr resolve(const Shape& y_true, const Shape& y_pred) const override {
    const auto last = [](const Shape& shape) { return shape.rank() == 0 ? 1 : shape.back(); };
    if (last(y_pred) == 1) return make<ThresholdAccuracy>(BinaryArguments{name()});
    const bool is_sparse = y_true.rank() < y_pred.rank() || last(y_true) == 1;
    return is_sparse ? make<SparseClassAccuracy>(SparseArguments{name()})
                     : make<ClassAccuracy>(CategoricalArguments{name()});
  }
};

}  // namespace

MetricPtr make_chosen_accuracy(std::string name) {
  return std::make_shared<const ChosenAccuracy>(std::move(name));
}

Metric make_Accuracy(Fields& fields) {
  return Metric(make<ElementAccuracy>(fields.all<AccuracyArguments>()));
}
Metric make_BinaryAccuracy(Fields& fields) {
  return Metric(make<ThresholdAccuracy>(fields.all<BinaryArguments>()));
}
Metric make_CategoricalAccuracy(Fields& fields) {
  return Metric(make<ClassAccuracy>(fields.all<CategoricalArguments>()));
}
Metric make_SparseCategoricalAccuracy(Fields& fields) {
  return Metric(make<SparseClassAccuracy>(fields.all<SparseArguments>()));
}

}  // namespace metrics

Metric Accuracy(MetricOptions options) {
  return Metric(metrics::make<metrics::ElementAccuracy>(
      metrics::named<metrics::AccuracyArguments>(options.name)));
}
Metric BinaryAccuracy(BinaryAccuracyOptions options) {
  auto binary = metrics::named<metrics::BinaryArguments>(options.name);
  binary.threshold = options.threshold;
  return Metric(metrics::make<metrics::ThresholdAccuracy>(binary));
}
Metric CategoricalAccuracy(MetricOptions options) {
  return Metric(metrics::make<metrics::ClassAccuracy>(
      metrics::named<metrics::CategoricalArguments>(options.name)));
}
Metric SparseCategoricalAccuracy(MetricOptions options) {
  return Metric(metrics::make<metrics::SparseClassAccuracy>(
      metrics::named<metrics::SparseArguments>(options.name)));
}

}  // namespace stoker
