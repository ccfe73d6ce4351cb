// Metrics, with Keras 3's names and formulas.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace stoker {

class Config;

namespace metrics {
class MetricBase;
}

// A handle to a metric, which its copies share. Strings work where a Metric is taken, as in Keras:
// "auc", "mean_squared_error" or "mse". "accuracy" ("acc") chooses binary, categorical or sparse
// accuracy by the shapes of labels and predictions.
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
  std::string name{};  // Where it is empty, it is Keras's: "mean_squared_error".
};
struct BinaryAccuracyOptions {
  // A prediction above the threshold counts as 1. The threshold is 0 where predictions are logits.
  double threshold = 0.5;
  std::string name{};
};
struct TopKOptions {
  std::int64_t k = 5;
  std::string name{};
};
// Predictions above a threshold count as positive, and labels other than 0. With several thresholds
// a metric has several results, which are reported as "precision_0", "precision_1", and so on.
struct ThresholdsOptions {
  std::vector<double> thresholds{};  // In [0, 1]; 0.5 where there is none.
  std::string name{};
};
struct PrecisionOptions {
  std::vector<double> thresholds{};
  // Only the k largest predictions of a row count as positive, whatever the threshold is if none is
  // given. Predictions that equal the k-th count too.
  std::optional<std::int64_t> top_k{};
  std::optional<std::int64_t> class_id{};  // Only this class counts.
  std::string name{};
};
struct AUCOptions {
  std::int64_t num_thresholds = 200;
  std::string curve = "ROC";                       // "ROC", "PR" or "PRGAIN"
  std::string summation_method = "interpolation";  // or "minoring" or "majoring"
  std::string name{};
  std::vector<double> thresholds{};  // Between 0 and 1, in place of evenly spaced ones.
  bool multi_label = false;          // The mean of the areas of the labels, each by itself.
  std::optional<std::int64_t> num_labels{};
  std::vector<double> label_weights{};
  bool from_logits = false;
};
struct AtThresholdOptions {
  std::int64_t num_thresholds = 200;
  std::optional<std::int64_t> class_id{};
  std::string name{};
};
struct F1ScoreOptions {
  // "micro" over all classes, "macro" the mean of the classes, "weighted" by how often they come;
  // empty: a result for each class, "f1_score_0" and so on.
  std::optional<std::string> average{};
  // Predictions above it count as positive; empty: the largest prediction of a row does.
  std::optional<double> threshold{};
  std::string name{};
};
struct FBetaScoreOptions {
  std::optional<std::string> average{};
  double beta = 1.0;
  std::optional<double> threshold{};
  std::string name{};
};
struct R2ScoreOptions {
  // "uniform_average" or "variance_weighted_average" of the columns; empty: a result for each.
  std::optional<std::string> class_aggregation = "uniform_average";
  std::int64_t num_regressors = 0;
  std::string name{};
};
// Labels and predictions are class numbers of any shape, or, where they are not sparse, one number
// for each class along the last axis, of which the largest counts.
struct IoUOptions {
  std::string name{};
  std::optional<std::int64_t> ignore_class{};
  bool sparse_y_true = true;
  bool sparse_y_pred = true;
};
struct BinaryIoUOptions {
  std::vector<std::int64_t> target_class_ids = {0, 1};
  double threshold = 0.5;
  std::string name{};
};
struct OneHotIoUOptions {
  std::string name{};
  std::optional<std::int64_t> ignore_class{};
  bool sparse_y_pred = false;
};
struct CorrelationOptions {
  std::int64_t axis = -1;
  std::string name{};
};
struct CrossentropyMetricOptions {
  bool from_logits = false;
  double label_smoothing = 0.0;
  std::int64_t axis = -1;
  std::string name{};
};
struct SparseCrossentropyMetricOptions {
  bool from_logits = false;
  std::string name{};
};

// It compares label == prediction, element by element.
Metric Accuracy(MetricOptions options = {});
Metric BinaryAccuracy(BinaryAccuracyOptions options = {});
Metric CategoricalAccuracy(MetricOptions options = {});
Metric SparseCategoricalAccuracy(MetricOptions options = {});
// Whether the label's class is among the k largest predictions.
Metric TopKCategoricalAccuracy(TopKOptions options = {});
Metric SparseTopKCategoricalAccuracy(TopKOptions options = {});

Metric TruePositives(ThresholdsOptions options = {});
Metric TrueNegatives(ThresholdsOptions options = {});
Metric FalsePositives(ThresholdsOptions options = {});
Metric FalseNegatives(ThresholdsOptions options = {});
Metric Precision(PrecisionOptions options = {});
Metric Recall(PrecisionOptions options = {});
// The area under a curve, of `num_thresholds` points. The counts stay on the device.
Metric AUC(AUCOptions options = {});
// The most of the first that one threshold gives together with at least this much of the second.
Metric SensitivityAtSpecificity(double specificity, AtThresholdOptions options = {});
Metric SpecificityAtSensitivity(double sensitivity, AtThresholdOptions options = {});
Metric PrecisionAtRecall(double recall, AtThresholdOptions options = {});
Metric RecallAtPrecision(double precision, AtThresholdOptions options = {});

// Labels and predictions are (batch, classes).
Metric F1Score(F1ScoreOptions options = {});
Metric FBetaScore(FBetaScoreOptions options = {});
Metric R2Score(R2ScoreOptions options = {});

// Intersection over union, the mean over these classes. Sample weights count as whole numbers.
Metric IoU(std::int64_t num_classes, std::vector<std::int64_t> target_class_ids,
           IoUOptions options = {});
Metric MeanIoU(std::int64_t num_classes, IoUOptions options = {});
Metric OneHotIoU(std::int64_t num_classes, std::vector<std::int64_t> target_class_ids,
                 OneHotIoUOptions options = {});
Metric OneHotMeanIoU(std::int64_t num_classes, OneHotIoUOptions options = {});
Metric BinaryIoU(BinaryIoUOptions options = {});

Metric RootMeanSquaredError(MetricOptions options = {});
Metric LogCoshError(MetricOptions options = {});
Metric PearsonCorrelation(CorrelationOptions options = {});
Metric ConcordanceCorrelation(CorrelationOptions options = {});

namespace metrics {
// These share their names with losses, and are their means.
Metric MeanSquaredError(MetricOptions options = {});
Metric MeanAbsoluteError(MetricOptions options = {});
Metric MeanAbsolutePercentageError(MetricOptions options = {});
Metric MeanSquaredLogarithmicError(MetricOptions options = {});
// From -1, the opposite direction, to 1: the loss with the other sign.
Metric CosineSimilarity(CorrelationOptions options = {});
Metric Hinge(MetricOptions options = {});
Metric SquaredHinge(MetricOptions options = {});
Metric CategoricalHinge(MetricOptions options = {});
Metric KLDivergence(MetricOptions options = {});
Metric Poisson(MetricOptions options = {});
Metric BinaryCrossentropy(CrossentropyMetricOptions options = {});
Metric CategoricalCrossentropy(CrossentropyMetricOptions options = {});
Metric SparseCategoricalCrossentropy(SparseCrossentropyMetricOptions options = {});
}  // namespace metrics

}  // namespace stoker
