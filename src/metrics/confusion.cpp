// Metrics of positives and negatives at one threshold or several: counts, precision and recall.
#include <algorithm>
#include <utility>

#include "core/check.h"
#include "metrics/metric.h"
#include "metrics/threshold_counts.h"
#include "stoker/error.h"

namespace stoker::metrics {
namespace {

using graph::Value;
using Counts = ThresholdCounts::Counts;

// One number, null, or a list of numbers.
Config thresholds_config(const std::vector<double>& thresholds) {
  if (thresholds.empty()) return {};
  if (thresholds.size() == 1) return thresholds[0];
  Config list = Config::list();
  for (const double threshold : thresholds) list.append(threshold);
  return list;
}
void describe_thresholds(Fields& fields, std::vector<double>& thresholds) {
  Config config = thresholds_config(thresholds);
  fields("thresholds", config);
  if (!fields.reads()) return;
  thresholds = config.is_number() ? std::vector<double>{config.number()}
                                  : FieldType<std::vector<double>>::read(config);
}

void check_thresholds(const char* what, const std::vector<double>& thresholds) {
  for (const double threshold : thresholds) {
    check::require(what, "thresholds", threshold, check::closed(0, 1));
  }
}

std::vector<double> or_default(const std::vector<double>& thresholds, double by_default) {
  return thresholds.empty() ? std::vector<double>{by_default} : thresholds;
}

// A result for each threshold.
template <class Arguments>
class ByThreshold : public Described<MetricBase, Arguments> {
 public:
  ByThreshold(const char* class_name, const Arguments& arguments, ThresholdCounts::Options options)
      : Described<MetricBase, Arguments>(arguments, class_name, arguments.name),
        counts_(std::move(options)) {}

  int totals() const override { return counts_.totals(); }
  std::vector<Value> build(Value y_true, Value y_pred, Value sample_weight) const override {
    const graph::Scope scope(
        *y_pred.graph, {graph::Origin::Kind::metric, format("metric \"", this->name(), "\"")});
    return counts_.build(y_true, y_pred, sample_weight);
  }
  double result(std::span<const double> totals) const override { return result_at(totals, 0); }
  std::size_t results() const override { return counts_.thresholds(); }
  double result_at(std::span<const double> totals, std::size_t which) const override {
    return at(counts_.counts(totals), which);
  }

 protected:
  virtual double at(const Counts& counts, std::size_t i) const = 0;

 private:
  const ThresholdCounts counts_;
};

// ---- Counts ----
// `Which` has the class's name, its name as a string, whether more is better, and the count.
template <class Which>
struct CountArguments {
  std::string name = Which::kName;
  std::vector<double> thresholds{};
};
template <class Which>
void describe(Fields& fields, CountArguments<Which>& count) {
  describe_common(fields, count.name);
  describe_thresholds(fields, count.thresholds);
}

template <class Which>
class CountMetric final : public ByThreshold<CountArguments<Which>> {
 public:
  explicit CountMetric(const CountArguments<Which>& arguments)
      : ByThreshold<CountArguments<Which>>(Which::kClass, arguments,
                                           {.thresholds = or_default(arguments.thresholds, 0.5)}) {
    check_thresholds(Which::kClass, arguments.thresholds);
  }
  bool larger_is_better() const override { return Which::kLargerIsBetter; }

 protected:
  double at(const Counts& counts, std::size_t i) const override { return Which::of(counts)[i]; }
};

struct TruePositivesCount {
  static constexpr const char* kClass = "TruePositives";
  static constexpr const char* kName = "true_positives";
  static constexpr bool kLargerIsBetter = true;
  static const std::vector<double>& of(const Counts& counts) { return counts.true_positives; }
};
struct TrueNegativesCount {
  static constexpr const char* kClass = "TrueNegatives";
  static constexpr const char* kName = "true_negatives";
  static constexpr bool kLargerIsBetter = true;
  static const std::vector<double>& of(const Counts& counts) { return counts.true_negatives; }
};
struct FalsePositivesCount {
  static constexpr const char* kClass = "FalsePositives";
  static constexpr const char* kName = "false_positives";
  static constexpr bool kLargerIsBetter = false;
  static const std::vector<double>& of(const Counts& counts) { return counts.false_positives; }
};
struct FalseNegativesCount {
  static constexpr const char* kClass = "FalseNegatives";
  static constexpr const char* kName = "false_negatives";
  static constexpr bool kLargerIsBetter = false;
  static const std::vector<double>& of(const Counts& counts) { return counts.false_negatives; }
};

template <class Which>
Metric count(const ThresholdsOptions& options) {
  auto arguments = named<CountArguments<Which>>(options.name);
  arguments.thresholds = options.thresholds;
  return Metric(std::make_shared<const CountMetric<Which>>(arguments));
}
template <class Which>
Metric count(Fields& fields) {
  return Metric(std::make_shared<const CountMetric<Which>>(fields.all<CountArguments<Which>>()));
}

// ---- Precision and recall ----
struct PrecisionArguments {
  std::string name = "precision";
  std::vector<double> thresholds{};
  std::optional<std::int64_t> top_k{}, class_id{};
};
struct RecallArguments {
  std::string name = "recall";
  std::vector<double> thresholds{};
  std::optional<std::int64_t> top_k{}, class_id{};
};
template <class Arguments>
void describe_ratio(Fields& fields, Arguments& arguments) {
  describe_common(fields, arguments.name);
  describe_thresholds(fields, arguments.thresholds);
  fields("top_k", arguments.top_k);
  fields("class_id", arguments.class_id);
}
void describe(Fields& fields, PrecisionArguments& precision) { describe_ratio(fields, precision); }
void describe(Fields& fields, RecallArguments& recall) { describe_ratio(fields, recall); }

template <class Arguments>
ThresholdCounts::Options ratio_options(const char* what, const Arguments& arguments) {
  check_thresholds(what, arguments.thresholds);
  if (arguments.top_k) check::require(what, "top_k", *arguments.top_k, check::at_least(1));
  if (arguments.class_id) check::require(what, "class_id", *arguments.class_id, check::at_least(0));
  // Where the k largest count, everything above what the others are set to does.
  return {.thresholds = or_default(arguments.thresholds, arguments.top_k ? -1e10 : 0.5),
          .top_k = arguments.top_k,
          .class_id = arguments.class_id};
}

class PrecisionMetric final : public ByThreshold<PrecisionArguments> {
 public:
  explicit PrecisionMetric(const PrecisionArguments& arguments)
      : ByThreshold("Precision", arguments, ratio_options("Precision", arguments)) {}
  bool larger_is_better() const override { return true; }

 protected:
  double at(const Counts& counts, std::size_t i) const override {
    return divide_no_nan(counts.true_positives[i],
                         counts.true_positives[i] + counts.false_positives[i]);
  }
};

class RecallMetric final : public ByThreshold<RecallArguments> {
 public:
  explicit RecallMetric(const RecallArguments& arguments)
      : ByThreshold("Recall", arguments, ratio_options("Recall", arguments)) {}
  bool larger_is_better() const override { return true; }

 protected:
  double at(const Counts& counts, std::size_t i) const override {
    return divide_no_nan(counts.true_positives[i],
                         counts.true_positives[i] + counts.false_negatives[i]);
  }
};

template <class M, class Arguments>
Metric ratio(const PrecisionOptions& options) {
  auto arguments = named<Arguments>(options.name);
  arguments.thresholds = options.thresholds;
  arguments.top_k = options.top_k;
  arguments.class_id = options.class_id;
  return Metric(std::make_shared<const M>(arguments));
}

// ---- The most of one at a least of the other ----
// `Which` has the class's name, its name as a string, the name of what is given, and what is sought
// and what is constrained at a threshold.
template <class Which>
struct AtArguments {
  std::string name = Which::kName;
  double value = 0.0;
  std::int64_t num_thresholds = 200;
  std::optional<std::int64_t> class_id{};
};
template <class Which>
void describe(Fields& fields, AtArguments<Which>& at) {
  describe_common(fields, at.name);
  fields("num_thresholds", at.num_thresholds);
  fields.required(Which::kGiven, at.value);
  fields("class_id", at.class_id);
}

std::vector<double> even_thresholds(std::int64_t count, double beyond) {
  if (count == 1) return {0.5};
  std::vector<double> thresholds;
  for (std::int64_t i = 0; i < count; ++i) {
    thresholds.push_back(static_cast<double>(i) / static_cast<double>(count - 1));
  }
  thresholds.front() -= beyond;
  thresholds.back() += beyond;
  return thresholds;
}

template <class Which>
class AtMetric final : public Described<MetricBase, AtArguments<Which>> {
 public:
  explicit AtMetric(const AtArguments<Which>& arguments)
      : Described<MetricBase, AtArguments<Which>>(arguments, Which::kClass, arguments.name),
        counts_(checked(arguments)) {}

  bool larger_is_better() const override { return true; }
  int totals() const override { return counts_.totals(); }
  std::vector<Value> build(Value y_true, Value y_pred, Value sample_weight) const override {
    const graph::Scope scope(
        *y_pred.graph, {graph::Origin::Kind::metric, format("metric \"", this->name(), "\"")});
    return counts_.build(y_true, y_pred, sample_weight);
  }
  double result(std::span<const double> totals) const override {
    const Counts counts = counts_.counts(totals);
    double most = 0.0;
    for (std::size_t i = 0; i < counts_.thresholds(); ++i) {
      if (Which::constrained(counts, i) >= this->options_.value) {
        most = std::max(most, Which::sought(counts, i));
      }
    }
    return most;
  }

 private:
  static ThresholdCounts::Options checked(const AtArguments<Which>& arguments) {
    check::require(Which::kClass, Which::kGiven, arguments.value, check::closed(0, 1));
    check::require(Which::kClass, "num_thresholds", arguments.num_thresholds,
                   check::closed(1, 1 << 20));
    return {.thresholds = even_thresholds(arguments.num_thresholds, 0.0),
            .class_id = arguments.class_id};
  }

  const ThresholdCounts counts_;
};

double sensitivity(const Counts& counts, std::size_t i) {
  return divide_no_nan(counts.true_positives[i],
                       counts.true_positives[i] + counts.false_negatives[i]);
}
double specificity(const Counts& counts, std::size_t i) {
  return divide_no_nan(counts.true_negatives[i],
                       counts.true_negatives[i] + counts.false_positives[i]);
}
double precision(const Counts& counts, std::size_t i) {
  return divide_no_nan(counts.true_positives[i],
                       counts.true_positives[i] + counts.false_positives[i]);
}

#define STOKER_AT(class_name, name, given, sought_, constrained_)                            \
  struct Of##class_name {                                                                    \
    static constexpr const char* kClass = #class_name;                                       \
    static constexpr const char* kName = name;                                               \
    static constexpr const char* kGiven = given;                                             \
    static double sought(const Counts& c, std::size_t i) { return sought_(c, i); }           \
    static double constrained(const Counts& c, std::size_t i) { return constrained_(c, i); } \
  };
STOKER_AT(SensitivityAtSpecificity, "sensitivity_at_specificity", "specificity", sensitivity,
          specificity)
STOKER_AT(SpecificityAtSensitivity, "specificity_at_sensitivity", "sensitivity", specificity,
          sensitivity)
STOKER_AT(PrecisionAtRecall, "precision_at_recall", "recall", precision, sensitivity)
STOKER_AT(RecallAtPrecision, "recall_at_precision", "precision", sensitivity, precision)
#undef STOKER_AT

template <class Which>
Metric at(double value, const AtThresholdOptions& options) {
  auto arguments = named<AtArguments<Which>>(options.name);
  arguments.value = value;
  arguments.num_thresholds = options.num_thresholds;
  arguments.class_id = options.class_id;
  return Metric(std::make_shared<const AtMetric<Which>>(arguments));
}
template <class Which>
Metric at(Fields& fields) {
  return Metric(std::make_shared<const AtMetric<Which>>(fields.all<AtArguments<Which>>()));
}

}  // namespace

Metric make_TruePositives(Fields& fields) { return count<TruePositivesCount>(fields); }
Metric make_TrueNegatives(Fields& fields) { return count<TrueNegativesCount>(fields); }
Metric make_FalsePositives(Fields& fields) { return count<FalsePositivesCount>(fields); }
Metric make_FalseNegatives(Fields& fields) { return count<FalseNegativesCount>(fields); }
Metric make_Precision(Fields& fields) {
  return Metric(std::make_shared<const PrecisionMetric>(fields.all<PrecisionArguments>()));
}
Metric make_Recall(Fields& fields) {
  return Metric(std::make_shared<const RecallMetric>(fields.all<RecallArguments>()));
}
Metric make_SensitivityAtSpecificity(Fields& fields) {
  return at<OfSensitivityAtSpecificity>(fields);
}
Metric make_SpecificityAtSensitivity(Fields& fields) {
  return at<OfSpecificityAtSensitivity>(fields);
}
Metric make_PrecisionAtRecall(Fields& fields) { return at<OfPrecisionAtRecall>(fields); }
Metric make_RecallAtPrecision(Fields& fields) { return at<OfRecallAtPrecision>(fields); }

}  // namespace stoker::metrics

namespace stoker {

Metric TruePositives(ThresholdsOptions options) {
  return metrics::count<metrics::TruePositivesCount>(options);
}
Metric TrueNegatives(ThresholdsOptions options) {
  return metrics::count<metrics::TrueNegativesCount>(options);
}
Metric FalsePositives(ThresholdsOptions options) {
  return metrics::count<metrics::FalsePositivesCount>(options);
}
Metric FalseNegatives(ThresholdsOptions options) {
  return metrics::count<metrics::FalseNegativesCount>(options);
}
Metric Precision(PrecisionOptions options) {
  return metrics::ratio<metrics::PrecisionMetric, metrics::PrecisionArguments>(options);
}
Metric Recall(PrecisionOptions options) {
  return metrics::ratio<metrics::RecallMetric, metrics::RecallArguments>(options);
}
Metric SensitivityAtSpecificity(double specificity, AtThresholdOptions options) {
  return metrics::at<metrics::OfSensitivityAtSpecificity>(specificity, options);
}
Metric SpecificityAtSensitivity(double sensitivity, AtThresholdOptions options) {
  return metrics::at<metrics::OfSpecificityAtSensitivity>(sensitivity, options);
}
Metric PrecisionAtRecall(double recall, AtThresholdOptions options) {
  return metrics::at<metrics::OfPrecisionAtRecall>(recall, options);
}
Metric RecallAtPrecision(double precision, AtThresholdOptions options) {
  return metrics::at<metrics::OfRecallAtPrecision>(precision, options);
}

}  // namespace stoker
