#include "metrics/mean_metric.h"

#include <numeric>

#include "ops/align.h"
#include "ops/common.h"

namespace stoker::metrics {
namespace {

using graph::Value;

std::vector<std::int64_t> axes_from(std::size_t first, const Shape& shape) {
  std::vector<std::int64_t> axes(shape.rank() - first);
  std::iota(axes.begin(), axes.end(), static_cast<std::int64_t>(first));
  return axes;
}

// Returns the sum over the samples of each sample's mean.
Value sum_of_samples(Value x) {
  const Shape& shape = x.shape();
  if (shape.rank() == 0) return x;
  const auto per_sample = static_cast<double>(shape.without_batch().elements());
  return ops::reduce(ops::ReduceKind::sum, x, axes_from(0, shape), false,
                     static_cast<float>(1.0 / per_sample));
}

}  // namespace

std::vector<Value> MeanMetric::build(Value y_true, Value y_pred, Value sample_weight) const {
  graph::Graph& graph = *y_pred.graph;
  const graph::Scope scope(graph, {graph::Origin::Kind::metric, format("metric \"", name(), "\"")});
  Value values = this->values(y_true, y_pred);
  if (!sample_weight) {
    const std::int64_t samples = values.shape().rank() == 0 ? 1 : values.shape()[0];
    return {sum_of_samples(values), ops::fill(graph, {}, static_cast<float>(samples))};
  }
  Value weight = ops::to_float(sample_weight);
  ops::to_same_rank(values, weight);
  if (values.shape().rank() > weight.shape().rank()) {
    values = ops::reduce_mean(values, axes_from(weight.shape().rank(), values.shape()));
  }
  const Value both[] = {values, weight};
  ops::require(ops::broadcast(graph.origin(), both) == values.shape(), graph,
               "expected sample weights that fit values of ", values.shape(), ", received ",
               sample_weight.shape());
  weight = ops::broadcast_to(weight, values.shape());
  return {sum_of_samples(ops::multiply(values, weight)), sum_of_samples(weight)};
}

double MeanMetric::result(std::span<const double> totals) const {
  return totals[1] == 0.0 ? 0.0 : totals[0] / totals[1];
}

}  // namespace stoker::metrics
