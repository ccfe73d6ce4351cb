// Metrics, with Keras 3's names and formulas.
#pragma once

#include <memory>
#include <string>

namespace stoker {

class Config;

namespace metrics {
class MetricBase;
}

// A metric: a handle, copies share it. Strings work where a Metric is taken: "accuracy" ("acc")
// chooses binary, categorical or sparse accuracy by the shapes of labels and predictions, as Keras
// does; "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy",
// "mean_squared_error" ("mse"), "mean_absolute_error" ("mae").
class Metric {
 public:
  Metric(const char* name);
  Metric(const std::string& name);
  explicit Metric(std::shared_ptr<const metrics::MetricBase> base) : base_(std::move(base)) {}
  const std::shared_ptr<const metrics::MetricBase>& base() const { return base_; }
  const std::string& name() const;

  // {"class_name": "BinaryAccuracy", "config": {...}, ...}, as Keras writes it; the name alone for
  // one that chooses by shapes.
  Config config() const;

 private:
  std::shared_ptr<const metrics::MetricBase> base_;
};

// From such a map, or from a name. Throws ValueError for a class, a key or a value that is none,
// with its place and the nearest name.
Metric metric_from_config(const Config& config);

struct MetricOptions {
  std::string name{};
};
struct BinaryAccuracyOptions {
  double threshold = 0.5;  // a prediction above it counts as 1; 0 where predictions are logits
  std::string name{};
};

Metric Accuracy(MetricOptions options = {});  // label == prediction, element by element
Metric BinaryAccuracy(BinaryAccuracyOptions options = {});
Metric CategoricalAccuracy(MetricOptions options = {});
Metric SparseCategoricalAccuracy(MetricOptions options = {});
namespace metrics {
// These share their names with losses.
Metric MeanSquaredError(MetricOptions options = {});
Metric MeanAbsoluteError(MetricOptions options = {});
}  // namespace metrics

}  // namespace stoker
