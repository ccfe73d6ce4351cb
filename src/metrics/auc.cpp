// AUC: the area under a curve of two rates by threshold.
#include <algorithm>
#include <cmath>
#include <utility>

#include "core/check.h"
#include "metrics/metric.h"
#include "metrics/threshold_counts.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker::metrics {
namespace {

using graph::Value;
using Counts = ThresholdCounts::Counts;

struct Arguments {
  std::string name = "auc";
  AUCOptions options{};
};

void describe(Fields& fields, Arguments& arguments) {
  AUCOptions& auc = arguments.options;
  describe_common(fields, arguments.name);
  fields("num_thresholds", auc.num_thresholds);
  fields("curve", auc.curve);
  fields("summation_method", auc.summation_method);
  fields("multi_label", auc.multi_label);
  fields("num_labels", auc.num_labels);
  if (fields.reads() || !auc.label_weights.empty()) fields("label_weights", auc.label_weights);
  fields("from_logits", auc.from_logits);
  // Keras writes thresholds only where they were given.
  if (fields.reads() || !auc.thresholds.empty()) fields("thresholds", auc.thresholds);
}

void check_word(const char* option, const std::string& value,
                std::initializer_list<const char*> words) {
  for (const char* word : words) {
    if (value == word) return;
  }
  std::string known;
  for (const char* word : words) known += format(known.empty() ? "\"" : "\", \"", word);
  throw ValueError(
      format("AUC: expected ", option, " to be one of ", known, "\", received \"", value, "\""));
}

void check_options(const AUCOptions& auc) {
  check_word("curve", auc.curve, {"ROC", "PR", "PRGAIN"});
  check_word("summation_method", auc.summation_method, {"interpolation", "minoring", "majoring"});
  check::require("AUC", "num_thresholds", auc.num_thresholds, check::closed(2, 1 << 20));
  for (const double threshold : auc.thresholds) {
    check::require("AUC", "thresholds", threshold, check::closed(0, 1));
  }
  if (auc.num_labels) {
    check::require("AUC", "num_labels", *auc.num_labels, check::at_least(1));
    if (!auc.multi_label) throw ValueError("AUC: num_labels is for multi_label");
  }
}

std::vector<double> thresholds_of(const AUCOptions& auc) {
  constexpr double kEpsilon = 1e-7;
  std::vector<double> thresholds = auc.thresholds;
  std::ranges::sort(thresholds);
  if (auc.thresholds.empty()) {
    for (std::int64_t i = 1; i + 1 < auc.num_thresholds; ++i) {
      thresholds.push_back(static_cast<double>(i) / static_cast<double>(auc.num_thresholds - 1));
    }
  }
  // The first threshold is below all predictions, and the last one above them.
  thresholds.insert(thresholds.begin(), -kEpsilon);
  thresholds.push_back(1.0 + kEpsilon);
  return thresholds;
}

// Davis and Goadrich, "The Relationship Between Precision-Recall and ROC Curves", 2006: between two
// thresholds the number of true positives grows linearly with that of all positives.
double interpolated_precision_recall(const Counts& counts) {
  double area = 0.0;
  for (std::size_t i = 0; i + 1 < counts.true_positives.size(); ++i) {
    const double positives = counts.true_positives[i] + counts.false_positives[i];
    const double next = counts.true_positives[i + 1] + counts.false_positives[i + 1];
    const double gained = counts.true_positives[i] - counts.true_positives[i + 1];
    const double slope = divide_no_nan(gained, std::max(positives - next, 0.0));
    const double intercept = counts.true_positives[i + 1] - slope * next;
    const double ratio = positives > 0.0 && next > 0.0 ? positives / next : 1.0;
    area +=
        divide_no_nan(slope * (gained + intercept * std::log(ratio)),
                      std::max(counts.true_positives[i + 1] + counts.false_negatives[i + 1], 0.0));
  }
  return area;
}

struct Point {
  double x = 0.0;
  double y = 0.0;
};

// Flach and Kull, "Precision-Recall-Gain Curves", 2015. As in Keras, gains without a true positive
// are 0 and 1, and no gain of recall is below 0.
Point gains(double tp, double fp, double tn, double fn) {
  if (tp == 0.0) return {0.0, 1.0};
  const double scale = divide_no_nan(tp + fn, tn + fp);
  return {std::max(0.0, 1.0 - scale * fn / tp), 1.0 - scale * fp / tp};
}

Point point_of(const std::string& curve, const Counts& counts, std::size_t i) {
  const double tp = counts.true_positives[i], fp = counts.false_positives[i];
  const double tn = counts.true_negatives[i], fn = counts.false_negatives[i];
  if (curve == "PRGAIN") return gains(tp, fp, tn, fn);
  const double recall = divide_no_nan(tp, tp + fn);
  if (curve == "ROC") return {divide_no_nan(fp, fp + tn), recall};
  return {recall, divide_no_nan(tp, tp + fp)};
}

double area(const AUCOptions& auc, const Counts& counts) {
  if (auc.curve == "PR" && auc.summation_method == "interpolation") {
    return interpolated_precision_recall(counts);
  }
  double sum = 0.0;
  for (std::size_t i = 0; i + 1 < counts.true_positives.size(); ++i) {
    const Point a = point_of(auc.curve, counts, i);
    const Point b = point_of(auc.curve, counts, i + 1);
    const double height = auc.summation_method == "interpolation" ? (a.y + b.y) / 2.0
                          : auc.summation_method == "minoring"    ? std::min(a.y, b.y)
                                                                  : std::max(a.y, b.y);
    sum += (a.x - b.x) * height;
  }
  return sum;
}

class AUCMetric final : public Described<MetricBase, Arguments> {
 public:
  // `labels` is 0 where the elements of the last axis are counted together.
  AUCMetric(const Arguments& arguments, std::int64_t labels)
      : Described(arguments, "AUC", arguments.name),
        labels_(labels),
        counts_({.thresholds = thresholds_of(arguments.options),
                 .from_logits = arguments.options.from_logits,
                 .label_weights = arguments.options.multi_label ? std::vector<double>{}
                                                                : arguments.options.label_weights,
                 .labels = labels}) {}

  bool larger_is_better() const override { return true; }
  int totals() const override { return counts_.totals(); }

  std::vector<Value> build(Value y_true, Value y_pred, Value sample_weight) const override {
    const graph::Scope scope(*y_pred.graph,
                             {graph::Origin::Kind::metric, format("metric \"", name(), "\"")});
    ops::require(!options_.options.multi_label ||
                     (y_pred.shape().rank() == 2 && y_pred.shape().back() == labels_),
                 *y_pred.graph, "expected predictions (batch, ", labels_, "), received ",
                 y_pred.shape());
    return counts_.build(y_true, y_pred, sample_weight);
  }

  double result(std::span<const double> totals) const override {
    if (labels_ == 0) return area(options_.options, counts_.counts(totals));
    const std::vector<double>& weights = options_.options.label_weights;
    double sum = 0.0;
    double all = 0.0;
    for (std::int64_t i = 0; i < labels_; ++i) {
      const auto label = static_cast<std::size_t>(i);
      const double weight = weights.empty() ? 1.0 : weights.at(label);
      sum += weight * area(options_.options, counts_.counts(totals, label));
      all += weight;
    }
    return divide_no_nan(sum, all);
  }

  std::shared_ptr<const MetricBase> resolve(const Shape&, const Shape& y_pred) const override {
    const AUCOptions& auc = options_.options;
    if (!auc.multi_label || y_pred.rank() != 2) return nullptr;
    const std::int64_t labels = auc.num_labels.value_or(y_pred.back());
    if (!auc.label_weights.empty() &&
        static_cast<std::int64_t>(auc.label_weights.size()) != labels) {
      throw ValueError(format("AUC: expected a label weight for each of ", labels,
                              " labels, received ", auc.label_weights.size()));
    }
    return std::make_shared<const AUCMetric>(options_, labels);
  }

 private:
  const std::int64_t labels_;
  const ThresholdCounts counts_;
};

Metric make(const Arguments& arguments) {
  check_options(arguments.options);
  const std::int64_t labels = arguments.options.num_labels.value_or(0);
  return Metric(std::make_shared<const AUCMetric>(arguments, labels));
}

}  // namespace

Metric make_AUC(Fields& fields) { return make(fields.all<Arguments>()); }

}  // namespace stoker::metrics

namespace stoker {

Metric AUC(AUCOptions options) {
  auto arguments = metrics::named<metrics::Arguments>(options.name);
  arguments.options = std::move(options);
  return metrics::make(arguments);
}

}  // namespace stoker
