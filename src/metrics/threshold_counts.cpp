#include "metrics/threshold_counts.h"

#include <cmath>
#include <utility>

#include "ops/align.h"
#include "ops/common.h"

namespace stoker::metrics {
namespace {

using graph::Expr;
using graph::Value;

constexpr double kEpsilon = 1e-7;
// What is not among the largest k is below every threshold.
constexpr float kLowest = -1e10f;

bool are_even(const std::vector<double>& thresholds) {
  if (thresholds.size() < 3) return false;
  const double last = static_cast<double>(thresholds.size() - 1);
  for (std::size_t i = 0; i < thresholds.size(); ++i) {
    // NumPy's allclose, with the tolerance that Keras gives it.
    const double even = static_cast<double>(i) / last;
    if (std::fabs(thresholds[i] - even) > kEpsilon + 1e-5 * even) return false;
  }
  return true;
}

Value column(Value x, std::int64_t begin) {
  return ops::slice(x, static_cast<std::int64_t>(x.shape().rank()) - 1, begin, 1);
}

// Keeps the k largest elements of each row.
Value largest_only(Value x, std::int64_t k) {
  const std::int64_t classes = x.shape().back();
  std::vector<Value> kept;
  for (std::int64_t i = 0; i < classes; ++i) {
    const Value own = column(x, i);
    const Value larger = ops::reduce(
        ops::ReduceKind::sum, x, own, [](Expr element, Expr one) { return less(one, element); },
        {-1}, true);
    kept.push_back(ops::map(own, larger, [k](Expr element, Expr count) {
      const Expr lowest{element.expression, element.expression->constant(kLowest)};
      return select(less(count, static_cast<float>(k)), element, lowest);
    }));
  }
  return ops::concatenate(kept, static_cast<std::int64_t>(x.shape().rank()) - 1);
}

}  // namespace

// Of each label: (rows) or (rows, labels).
struct ThresholdCounts::Elements {
  Value prediction;
  Value positive;  // The weight of a positive label, else 0.
  Value negative;  // The weight of a negative label, else 0.
};

ThresholdCounts::ThresholdCounts(Options options)
    : options_(std::move(options)), is_even_(are_even(options_.thresholds)) {
  begins_below_zero_ =
      is_even_ && (options_.thresholds.front() < 0.0 || options_.thresholds.back() > 1.0);
}

int ThresholdCounts::totals() const {
  return static_cast<int>(2 * (thresholds() + 1) * label_count());
}

ThresholdCounts::Elements ThresholdCounts::elements_of(Value y_true, Value y_pred,
                                                       Value sample_weight) const {
  ops::match_predictions(y_true, y_pred);
  graph::Graph& graph = *y_pred.graph;
  if (options_.from_logits) y_pred = ops::map(y_pred, [](Expr x) { return sigmoid(x); });
  if (options_.top_k) y_pred = largest_only(y_pred, *options_.top_k);
  if (options_.class_id) {
    ops::require(y_pred.shape().rank() > 1 && *options_.class_id < y_pred.shape().back(), graph,
                 "expected predictions with a class ", *options_.class_id, ", received ",
                 y_pred.shape());
    y_true = column(y_true, *options_.class_id);
    y_pred = column(y_pred, *options_.class_id);
  }
  const Shape& shape = y_pred.shape();
  Value positive = ops::map(y_true, [](Expr label) { return 1.0f - equal(label, 0.0f); });
  Value negative = ops::map(y_true, [](Expr label) { return equal(label, 0.0f); });
  if (sample_weight) {
    Shape expanded = sample_weight.shape();
    while (expanded.rank() < shape.rank()) expanded.push_back(1);
    Value weight = ops::reshape(ops::to_float(sample_weight), expanded);
    const Value both[] = {positive, weight};
    ops::require(ops::broadcast(graph.origin(), both) == shape, graph,
                 "expected sample weights that fit predictions of ", shape, ", received ",
                 sample_weight.shape());
    positive = ops::multiply(positive, weight);
    negative = ops::multiply(negative, weight);
  }
  if (!options_.label_weights.empty()) {
    ops::require(static_cast<std::int64_t>(options_.label_weights.size()) == shape.back(), graph,
                 "expected a label weight for each of ", shape.back(), " labels, received ",
                 options_.label_weights.size());
    std::vector<Value> weights;
    for (const double weight : options_.label_weights) {
      weights.push_back(ops::fill(graph, {1}, static_cast<float>(weight)));
    }
    const Value weight = ops::concatenate(weights, 0);
    positive = ops::multiply(positive, weight);
    negative = ops::multiply(negative, weight);
  }
  const Shape flat =
      options_.labels > 0 ? Shape{shape[0], options_.labels} : Shape{shape.elements()};
  return {ops::reshape(y_pred, flat), ops::reshape(positive, flat), ops::reshape(negative, flat)};
}

std::vector<Value> ThresholdCounts::build(Value y_true, Value y_pred, Value sample_weight) const {
  const Elements elements = elements_of(y_true, y_pred, sample_weight);
  const auto all = [](Value counted) {
    return ops::reduce(ops::ReduceKind::sum, counted, std::vector<std::int64_t>{0});
  };
  std::vector<Value> additions;
  if (!is_even_) {
    for (const Value& counted : {elements.positive, elements.negative}) {
      for (const double threshold : options_.thresholds) {
        additions.push_back(ops::reduce(ops::ReduceKind::sum, counted, elements.prediction,
                                        [threshold](Expr weight, Expr prediction) {
                                          return weight *
                                                 less(static_cast<float>(threshold), prediction);
                                        },
                                        {0}));
      }
      additions.push_back(all(counted));
    }
    return additions;
  }
  // A prediction p is above the thresholds 0 to ceil(p (n - 1)) - 1, and is counted at the last of
  // them.
  const auto last = static_cast<float>(thresholds() - 1);
  const Value place = ops::map(elements.prediction, [last](Expr prediction) {
    const Expr p = min(max(prediction, 0.0f), 1.0f);
    return max(-floor(p * -last) - 1.0f, 0.0f);
  });
  const Value at =
      ops::one_hot(ops::cast(place, DType::int32), static_cast<std::int64_t>(thresholds()));
  for (const Value& counted : {elements.positive, elements.negative}) {
    Shape column = counted.shape();
    column.push_back(1);
    Value weight = counted;
    // Without a threshold below it, 0 is above none.
    if (!begins_below_zero_) {
      weight = ops::map(counted, elements.prediction,
                        [](Expr w, Expr prediction) { return w * less(0.0f, prediction); });
    }
    additions.push_back(ops::reduce(ops::ReduceKind::sum, at, ops::reshape(weight, column),
                                    [](Expr is_place, Expr w) { return is_place * w; }, {0}));
    additions.push_back(all(counted));
  }
  return additions;
}

ThresholdCounts::Counts ThresholdCounts::counts(std::span<const double> totals,
                                                std::size_t label) const {
  const std::size_t n = thresholds();
  const std::size_t labels = label_count();
  Counts result;
  // Counts lie by label and threshold where they are even, else by threshold and label.
  const auto read = [&](std::size_t begin, std::vector<double>& above, std::vector<double>& below) {
    above.resize(n);
    below.resize(n);
    double sum = 0.0;
    for (std::size_t i = n; i-- > 0;) {
      const double found = totals[begin + (is_even_ ? label * n + i : i * labels + label)];
      sum += found;
      above[i] = is_even_ ? sum : found;
    }
    const double all = totals[begin + n * labels + label];
    for (std::size_t i = 0; i < n; ++i) below[i] = all - above[i];
  };
  read(0, result.true_positives, result.false_negatives);
  read((n + 1) * labels, result.false_positives, result.true_negatives);
  return result;
}

}  // namespace stoker::metrics
