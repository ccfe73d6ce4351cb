// The internal side of a metric: ops that add to totals on the device, and the result from the
// totals.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "core/fields.h"
#include "graph/graph.h"
#include "ops/ops.h"
#include "stoker/metrics.h"

namespace stoker::metrics {

class MetricBase {
 public:
  // class_name is empty for a metric that only stands for others, as "accuracy" does.
  MetricBase(std::string class_name, std::string name)
      : class_name_(std::move(class_name)), name_(std::move(name)) {}
  virtual ~MetricBase() = default;

  // Writes the fields of the metric's class.
  virtual void write_fields(Fields& fields) const = 0;

  // Returns the number of totals that the metric keeps; they are zero at the start of an epoch.
  virtual int totals() const = 0;
  // Returns what this batch adds to the totals: float32 values whose elements, one after another,
  // belong to one total each. An invalid sample_weight means that there are no weights.
  virtual std::vector<graph::Value> build(graph::Value y_true, graph::Value y_pred,
                                          graph::Value sample_weight) const = 0;
  virtual double result(std::span<const double> totals) const = 0;
  // Returns the number of results. Where there are several, they are reported with _0, _1 and so on
  // behind the name, and result_at() returns them; result() is the first.
  virtual std::size_t results() const { return 1; }
  virtual double result_at(std::span<const double> totals, std::size_t which) const {
    (void)which;
    return result(totals);
  }
  // Returns whether a larger result is a better one; callbacks that keep the best ask it.
  virtual bool larger_is_better() const = 0;
  // Whether it is a function of the program's own, which files name and do not describe.
  virtual bool is_function() const { return false; }
  // Returns the metric that takes the place of this one for labels and predictions of these shapes,
  // or null for the metric itself. Here "accuracy" chooses, and metrics of each class learn how
  // many there are.
  virtual std::shared_ptr<const MetricBase> resolve(const Shape& y_true,
                                                    const Shape& y_pred) const {
    (void)y_true;
    (void)y_pred;
    return nullptr;
  }
  const std::string& class_name() const { return class_name_; }  // "BinaryAccuracy"
  const std::string& name() const { return name_; }

 private:
  std::string class_name_;
  std::string name_;
};

// Describes the field that all metrics have, a name.
void describe_common(Fields& fields, std::string& name);
// Returns arguments with that name, or with the default name if it is empty.
template <class Arguments>
Arguments named(const std::string& name) {
  Arguments arguments{};
  if (!name.empty()) arguments.name = name;
  return arguments;
}

// Makes a metric known by its name. Throws ValueError for a name that is taken.
void make_known(const Metric& metric);

#define STOKER_METRIC(class_name, name, short_name) Metric make_##class_name(Fields& fields);
#include "metrics/metrics.def"
#undef STOKER_METRIC

}  // namespace stoker::metrics

namespace stoker {

template <>
struct FieldType<Metric> {
  static Metric read(const Config& config) { return metric_from_config(config); }
  static Config write(const Metric& value) { return value.config(); }
};
// A list of metrics or of lists of them, or a map by output of either.
template <>
struct FieldType<OutputMetrics> {
  static OutputMetrics read(const Config& config);
  static Config write(const OutputMetrics& value);
};

}  // namespace stoker
