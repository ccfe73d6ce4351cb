// Metrics, with Keras 3's names and formulas.
#pragma once

#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace stoker {

class Config;

namespace metrics {
class MetricBase;
}

// A handle to a metric, which its copies share. Strings work where a Metric is taken. "accuracy"
// ("acc") chooses binary, categorical or sparse accuracy by the shapes of labels and predictions,
// as Keras does. Other names are "binary_accuracy", "categorical_accuracy",
// "sparse_categorical_accuracy", "mean_squared_error" ("mse") and "mean_absolute_error" ("mae").
class Metric {
 public:
  Metric(const char* name);
  Metric(const std::string& name);
  explicit Metric(std::shared_ptr<const metrics::MetricBase> base) : base_(std::move(base)) {}
  const std::shared_ptr<const metrics::MetricBase>& base() const { return base_; }
  const std::string& name() const;

  // Returns {"class_name": "BinaryAccuracy", "config": {...}, ...}, as Keras writes it, or the name
  // alone for a metric that chooses by shapes.
  Config config() const;

 private:
  std::shared_ptr<const metrics::MetricBase> base_;
};

// The metrics of one output, given as one metric or a list.
class MetricList {
 public:
  MetricList(const char* name);
  MetricList(const std::string& name);
  MetricList(Metric metric);
  MetricList(std::initializer_list<Metric> metrics);
  MetricList(std::vector<Metric> metrics);
  MetricList(const MetricList& other);
  MetricList(MetricList&& other) noexcept;
  MetricList& operator=(const MetricList& other);
  MetricList& operator=(MetricList&& other) noexcept;
  ~MetricList();
  const std::vector<Metric>& metrics() const { return metrics_; }

 private:
  std::vector<Metric> metrics_;
};

// The metrics of a model, given for its only output, for each output in their order, or by name. A
// list of two strings in braces, {"a", "mae"}, is an output's name and its metric:
//   .metrics = {"accuracy", "mae"}
//   .metrics = {{"price", {"mae", "mse"}}, {"kind", "accuracy"}}
class OutputMetrics {
 public:
  struct Entry {
    Entry(const char* metric);
    Entry(const std::string& metric);
    Entry(Metric metric);
    Entry(std::vector<Metric> metrics);
    Entry(std::string name, MetricList list);
    // The name of the output. It is empty where the metrics are given in order.
    std::string name{};
    MetricList list;
  };

  OutputMetrics();
  OutputMetrics(const char* metric);
  OutputMetrics(Metric metric);
  OutputMetrics(std::initializer_list<Entry> entries);
  OutputMetrics(std::vector<Entry> entries);
  OutputMetrics(const std::vector<Metric>& metrics);
  OutputMetrics(const std::vector<std::vector<Metric>>& by_output);
  OutputMetrics(const std::map<std::string, std::vector<Metric>>& by_name);
  OutputMetrics(const OutputMetrics& other);
  OutputMetrics(OutputMetrics&& other) noexcept;
  OutputMetrics& operator=(const OutputMetrics& other);
  OutputMetrics& operator=(OutputMetrics&& other) noexcept;
  ~OutputMetrics();

  const std::vector<Entry>& entries() const { return entries_; }
  bool empty() const { return entries_.empty(); }

 private:
  std::vector<Entry> entries_;
};

// Makes a metric from the result of Metric::config(), or from a name. Throws ValueError, with the
// place and the nearest name, for a class, a key or a value that does not exist.
Metric metric_from_config(const Config& config);

struct MetricOptions {
  std::string name{};
};
struct BinaryAccuracyOptions {
  // A prediction above the threshold counts as 1. The threshold is 0 where predictions are logits.
  double threshold = 0.5;
  std::string name{};
};

// It compares label == prediction, element by element.
Metric Accuracy(MetricOptions options = {});
Metric BinaryAccuracy(BinaryAccuracyOptions options = {});
Metric CategoricalAccuracy(MetricOptions options = {});
Metric SparseCategoricalAccuracy(MetricOptions options = {});
namespace metrics {
// These share their names with losses.
Metric MeanSquaredError(MetricOptions options = {});
Metric MeanAbsoluteError(MetricOptions options = {});
}  // namespace metrics

}  // namespace stoker
