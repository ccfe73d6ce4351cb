// Metrics that are a weighted mean of values: the totals are their sum and the sum of weights.
#pragma once

#include "metrics/metric.h"

namespace stoker::metrics {

class MeanMetric : public MetricBase {
 public:
  using MetricBase::MetricBase;

  int totals() const override { return 2; }
  // Does as Keras's Mean: each sample counts once, and the values and weights within a sample are
  // averaged.
  std::vector<graph::Value> build(graph::Value y_true, graph::Value y_pred,
                                  graph::Value sample_weight) const override;
  double result(std::span<const double> totals) const override;

 protected:
  // Checks shapes and returns float32 of shape (batch, ...).
  virtual graph::Value values(graph::Value y_true, graph::Value y_pred) const = 0;
};

}  // namespace stoker::metrics
