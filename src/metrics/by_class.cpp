// Metrics of (batch, classes) that follow from sums over the batch for each class: F scores and R².
#include <cmath>
#include <utility>

#include "core/check.h"
#include "metrics/metric.h"
#include "ops/align.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker::metrics {
namespace {

using graph::Expr;
using graph::Value;

constexpr double kEpsilon = 1e-7;

// A weight of each sample as (batch, 1), or ones.
Value weights_of(Value y_pred, Value sample_weight) {
  graph::Graph& graph = *y_pred.graph;
  const std::int64_t rows = y_pred.shape()[0];
  if (!sample_weight) return ops::fill(graph, {rows, 1}, 1.0f);
  ops::require(sample_weight.shape() == Shape{rows} || sample_weight.shape() == Shape{rows, 1},
               graph, "expected a sample weight for each row of ", y_pred.shape(), ", received ",
               sample_weight.shape());
  return ops::reshape(ops::to_float(sample_weight), {rows, 1});
}

void require_classes(Value y_true, Value y_pred) {
  ops::require(y_pred.shape().rank() == 2 && y_true.shape() == y_pred.shape(), *y_pred.graph,
               "expected labels and predictions (batch, classes), received ", y_true.shape(),
               " and ", y_pred.shape());
}

std::int64_t classes_in(const char* what, const Shape& y_pred) {
  if (y_pred.rank() == 2 && y_pred.back() > 0) return y_pred.back();
  throw ShapeError(format(what, ": expected predictions (batch, classes), received ", y_pred));
}

// ---- F scores ----
struct ScoreArguments {
  std::string name{};
  FBetaScoreOptions options{};
  bool has_beta = true;
};
struct F1Arguments : ScoreArguments {
  F1Arguments() {
    name = "f1_score";
    has_beta = false;
  }
};
struct FBetaArguments : ScoreArguments {
  FBetaArguments() { name = "fbeta_score"; }
};
void describe(Fields& fields, ScoreArguments& score) {
  describe_common(fields, score.name);
  fields("average", score.options.average);
  if (score.has_beta) fields("beta", score.options.beta);
  fields("threshold", score.options.threshold);
}

class ScoreMetric final : public Described<MetricBase, ScoreArguments> {
 public:
  // `classes` is 1 where the sums are over all classes.
  ScoreMetric(const ScoreArguments& arguments, std::size_t classes)
      : Described(arguments, arguments.has_beta ? "FBetaScore" : "F1Score", arguments.name),
        classes_(classes) {
    const char* what = arguments.has_beta ? "FBetaScore" : "F1Score";
    check::require(what, "beta", arguments.options.beta, check::above(0));
    if (arguments.options.threshold) {
      check::Range range = check::closed(0, 1);
      range.low_is_open = true;
      check::require(what, "threshold", *arguments.options.threshold, range);
    }
    if (const auto& average = arguments.options.average;
        average && *average != "micro" && *average != "macro" && *average != "weighted") {
      throw ValueError(format(what,
                              ": expected average to be \"micro\", \"macro\", \"weighted\" "
                              "or nothing, received \"",
                              *average, "\""));
    }
  }

  bool larger_is_better() const override { return true; }
  // True positives, false positives and false negatives, by class.
  int totals() const override { return static_cast<int>(3 * classes_); }
  std::size_t results() const override { return options_.options.average ? 1 : classes_; }

  std::vector<Value> build(Value y_true, Value y_pred, Value sample_weight) const override {
    const graph::Scope scope(*y_pred.graph,
                             {graph::Origin::Kind::metric, format("metric \"", name(), "\"")});
    ops::match_predictions(y_true, y_pred);
    require_classes(y_true, y_pred);
    const Value weight = weights_of(y_pred, sample_weight);
    const Value positive = positives(y_pred);
    const std::vector<std::int64_t> axes =
        is_micro() ? std::vector<std::int64_t>{0, 1} : std::vector<std::int64_t>{0};
    const auto sum = [&](const std::function<Expr(Expr, Expr, Expr)>& f) {
      return ops::reduce(ops::ReduceKind::sum, y_true, positive, weight, f, axes);
    };
    return {
        sum([](Expr label, Expr is_positive, Expr w) { return is_positive * label * w; }),
        sum([](Expr label, Expr is_positive, Expr w) { return is_positive * (1.0f - label) * w; }),
        sum([](Expr label, Expr is_positive, Expr w) { return (1.0f - is_positive) * label * w; })};
  }

  double result(std::span<const double> totals) const override { return result_at(totals, 0); }
  double result_at(std::span<const double> totals, std::size_t which) const override {
    const auto& average = options_.options.average;
    if (!average) return score(totals, which);
    double sum = 0.0;
    double all = 0.0;
    for (std::size_t i = 0; i < classes_; ++i) {
      // The weight of a class is how often it comes.
      const double weight = *average == "weighted" ? totals[i] + totals[2 * classes_ + i] : 1.0;
      sum += weight * score(totals, i);
      all += weight;
    }
    return *average == "weighted" ? sum / (all + kEpsilon) : sum / all;
  }

  std::shared_ptr<const MetricBase> resolve(const Shape&, const Shape& y_pred) const override {
    if (is_micro()) return nullptr;
    const std::int64_t classes = classes_in(class_name().c_str(), y_pred);
    return std::make_shared<const ScoreMetric>(options_, static_cast<std::size_t>(classes));
  }

 private:
  bool is_micro() const { return options_.options.average == std::optional<std::string>("micro"); }

  Value positives(Value y_pred) const {
    if (options_.options.threshold) {
      const auto threshold = static_cast<float>(*options_.options.threshold);
      return ops::map(y_pred, [threshold](Expr p) { return less(threshold, p); });
    }
    // A row of zeros has no positive.
    const Value largest = ops::reduce(ops::ReduceKind::max, y_pred, {1}, true);
    return ops::map(y_pred, largest,
                    [](Expr p, Expr most) { return less_equal(most, p) * less(1e-9f, abs(p)); });
  }

  double score(std::span<const double> totals, std::size_t i) const {
    const double tp = totals[i], fp = totals[classes_ + i], fn = totals[2 * classes_ + i];
    const double precision = tp / (tp + fp + kEpsilon);
    const double recall = tp / (tp + fn + kEpsilon);
    const double square = options_.options.beta * options_.options.beta;
    return precision * recall / (square * precision + recall + kEpsilon) * (1.0 + square);
  }

  const std::size_t classes_;
};

template <class Arguments>
Metric score(const FBetaScoreOptions& options, const std::string& name) {
  auto arguments = named<Arguments>(name);
  arguments.options = options;
  return Metric(std::make_shared<const ScoreMetric>(arguments, 1));
}

// ---- R² ----
struct R2Arguments {
  std::string name = "r2_score";
  std::optional<std::string> class_aggregation = "uniform_average";
  std::int64_t num_regressors = 0;
};
void describe(Fields& fields, R2Arguments& r2) {
  describe_common(fields, r2.name);
  fields("class_aggregation", r2.class_aggregation);
  fields("num_regressors", r2.num_regressors);
}

class R2Metric final : public Described<MetricBase, R2Arguments> {
 public:
  R2Metric(const R2Arguments& arguments, std::size_t columns)
      : Described(arguments, "R2Score", arguments.name), columns_(columns) {
    check::require("R2Score", "num_regressors", arguments.num_regressors, check::at_least(0));
    const auto& aggregation = arguments.class_aggregation;
    if (aggregation && *aggregation != "uniform_average" &&
        *aggregation != "variance_weighted_average") {
      throw ValueError(
          format("R2Score: expected class_aggregation to be \"uniform_average\", "
                 "\"variance_weighted_average\" or nothing, received \"",
                 *aggregation, "\""));
    }
  }

  bool larger_is_better() const override { return true; }
  // By column: the sums of labels, their squares, squared errors, and weights; and the number of
  // labels.
  int totals() const override { return static_cast<int>(4 * columns_ + 1); }
  std::size_t results() const override { return options_.class_aggregation ? 1 : columns_; }

  std::vector<Value> build(Value y_true, Value y_pred, Value sample_weight) const override {
    graph::Graph& graph = *y_pred.graph;
    const graph::Scope scope(graph,
                             {graph::Origin::Kind::metric, format("metric \"", name(), "\"")});
    ops::match_predictions(y_true, y_pred);
    require_classes(y_true, y_pred);
    const Value weight = weights_of(y_pred, sample_weight);
    const auto sum = [&](const std::function<Expr(Expr, Expr, Expr)>& f) {
      return ops::reduce(ops::ReduceKind::sum, y_true, y_pred, weight, f, {0});
    };
    return {sum([](Expr label, Expr, Expr w) { return label * w; }),
            sum([](Expr label, Expr, Expr w) { return label * label * w; }),
            sum([](Expr label, Expr prediction, Expr w) { return square(label - prediction) * w; }),
            ops::reduce_sum(ops::broadcast_to(weight, y_pred.shape()), {0}),
            ops::fill(graph, {}, static_cast<float>(y_pred.shape().elements()))};
  }

  double result(std::span<const double> totals) const override { return result_at(totals, 0); }
  double result_at(std::span<const double> totals, std::size_t which) const override {
    if (!options_.class_aggregation) return adjusted(totals, column(totals, which).score);
    const bool is_uniform = *options_.class_aggregation == "uniform_average";
    double sum = 0.0;
    double all = 0.0;
    for (std::size_t i = 0; i < columns_; ++i) {
      const Column one = column(totals, i);
      const double weight = is_uniform ? 1.0 : one.variance;
      sum += weight * one.score;
      all += weight;
    }
    return adjusted(totals, sum / all);
  }

  std::shared_ptr<const MetricBase> resolve(const Shape&, const Shape& y_pred) const override {
    const std::int64_t columns = classes_in("R2Score", y_pred);
    return std::make_shared<const R2Metric>(options_, static_cast<std::size_t>(columns));
  }

 private:
  struct Column {
    double score = 0.0;
    double variance = 0.0;  // The sum of squared deviations.
  };
  Column column(std::span<const double> totals, std::size_t i) const {
    const double sum = totals[i];
    const double mean = sum / totals[3 * columns_ + i];
    const double variance = totals[columns_ + i] - sum * mean;
    const double score = 1.0 - totals[2 * columns_ + i] / variance;
    return {std::isinf(score) ? 0.0 : score, variance};
  }
  // With many regressors for few samples the score is not adjusted.
  double adjusted(std::span<const double> totals, double score) const {
    const double samples = totals[4 * columns_];
    const auto regressors = static_cast<double>(options_.num_regressors);
    if (options_.num_regressors == 0 || regressors >= samples - 1.0) return score;
    return 1.0 - (1.0 - score) * (samples - 1.0) / (samples - regressors - 1.0);
  }

  const std::size_t columns_;
};

}  // namespace

Metric make_F1Score(Fields& fields) {
  return Metric(std::make_shared<const ScoreMetric>(fields.all<F1Arguments>(), 1));
}
Metric make_FBetaScore(Fields& fields) {
  return Metric(std::make_shared<const ScoreMetric>(fields.all<FBetaArguments>(), 1));
}
Metric make_R2Score(Fields& fields) {
  return Metric(std::make_shared<const R2Metric>(fields.all<R2Arguments>(), 1));
}

}  // namespace stoker::metrics

namespace stoker {

Metric F1Score(F1ScoreOptions options) {
  return metrics::score<metrics::F1Arguments>(
      {.average = std::move(options.average), .threshold = options.threshold}, options.name);
}
Metric FBetaScore(FBetaScoreOptions options) {
  return metrics::score<metrics::FBetaArguments>(options, options.name);
}
Metric R2Score(R2ScoreOptions options) {
  auto arguments = metrics::named<metrics::R2Arguments>(options.name);
  arguments.class_aggregation = std::move(options.class_aggregation);
  arguments.num_regressors = options.num_regressors;
  return Metric(std::make_shared<const metrics::R2Metric>(arguments, 1));
}

}  // namespace stoker
