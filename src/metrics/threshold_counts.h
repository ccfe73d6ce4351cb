// How many labels and predictions above each of some thresholds there are, which precision, recall
// and areas under curves follow from.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "graph/graph.h"

namespace stoker::metrics {

// Predictions above a threshold are positive, and labels other than 0.
class ThresholdCounts {
 public:
  struct Options {
    std::vector<double> thresholds{};  // Ascending, if there are many of them.
    std::optional<std::int64_t> top_k{};
    std::optional<std::int64_t> class_id{};
    bool from_logits = false;
    std::vector<double> label_weights{};  // One for each element of the last axis.
    std::int64_t labels =
        0;  // Counts the elements of the last axis each by itself; 0: all together.
  };
  explicit ThresholdCounts(Options options);

  std::size_t thresholds() const { return options_.thresholds.size(); }
  // What MetricBase::totals() and build() return.
  int totals() const;
  std::vector<graph::Value> build(graph::Value y_true, graph::Value y_pred,
                                  graph::Value sample_weight) const;

  // The counts of one label by threshold, as MetricBase::result() finds them in its totals.
  struct Counts {
    std::vector<double> true_positives, false_positives, true_negatives, false_negatives;
  };
  Counts counts(std::span<const double> totals, std::size_t label = 0) const;

 private:
  struct Elements;
  Elements elements_of(graph::Value y_true, graph::Value y_pred, graph::Value sample_weight) const;
  std::size_t label_count() const { return options_.labels > 0 ? options_.labels : 1; }

  const Options options_;
  // Where thresholds are evenly spaced over [0, 1], predictions are counted between two of them,
  // and sums are taken when the result is asked for.
  bool is_even_ = false;
  bool begins_below_zero_ = false;
};

// 0 where b is 0.
inline double divide_no_nan(double a, double b) { return b == 0.0 ? 0.0 : a / b; }

}  // namespace stoker::metrics
