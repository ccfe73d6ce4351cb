// What a metric is inside: ops that add to totals on the device, and the result from the totals.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "graph/graph.h"
#include "ops/ops.h"
#include "stoker/metrics.h"

namespace stoker::metrics {

class MetricBase {
 public:
  explicit MetricBase(std::string name) : name_(std::move(name)) {}
  virtual ~MetricBase() = default;

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
  const std::string& name() const { return name_; }

 private:
  std::string name_;
};

}  // namespace stoker::metrics
