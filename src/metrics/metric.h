// What a metric is inside: ops that add to totals on the device, and the result from the totals.
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
  // Without a class where it stands for others, as "accuracy" does.
  MetricBase(std::string class_name, std::string name)
      : class_name_(std::move(class_name)), name_(std::move(name)) {}
  virtual ~MetricBase() = default;

  // Writes the fields of the metric's class.
  virtual void write_fields(Fields& fields) const = 0;

  // How many totals it keeps, zero at the start of an epoch.
  virtual int totals() const = 0;
  // What this batch adds to each total, shape () each. sample_weight may be invalid: none.
  virtual std::vector<graph::Value> build(graph::Value y_true, graph::Value y_pred,
                                          graph::Value sample_weight) const = 0;
  virtual double result(std::span<const double> totals) const = 0;
  // The metric that stands for this one given labels and predictions: "accuracy" chooses here.
  virtual std::shared_ptr<const MetricBase> resolve(const Shape& y_true,
                                                    const Shape& y_pred) const {
    (void)y_true;
    (void)y_pred;
    return nullptr;  // itself
  }
  const std::string& class_name() const { return class_name_; }  // "BinaryAccuracy"
  const std::string& name() const { return name_; }

 private:
  std::string class_name_;
  std::string name_;
};

// What all metrics have: a name.
void describe_common(Fields& fields, std::string& name);
// Arguments with that name, or with the one that they have by default.
template <class Arguments>
Arguments named(const std::string& name) {
  Arguments arguments{};
  if (!name.empty()) arguments.name = name;
  return arguments;
}

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
