// Metrics before anything runs: names, what "accuracy" chooses, and labels that do not fit.
#include <gtest/gtest.h>

#include <cmath>

#include <string>
#include <vector>

#include "metrics/metric.h"
#include "stoker/error.h"
#include "support/message.h"

namespace stoker {
namespace {

using test::message_of;

graph::Value leaf(graph::Graph& graph, Shape shape, DType dtype = DType::float32) {
  return graph.leaf("x", {dtype, shape}, {graph::Space::input, 0, 0});
}

// What the metric that "accuracy" stands for does with labels and predictions of these shapes: the
// first op that looks at the predictions, and how often.
std::string chosen_for(Shape y_true, Shape y_pred) {
  const auto chosen = Metric("accuracy").base()->resolve(y_true, y_pred);
  EXPECT_EQ(chosen->name(), "accuracy");
  graph::Graph graph;
  chosen->build(leaf(graph, y_true), leaf(graph, y_pred), {});
  int argmaxes = 0;
  for (const auto& node : graph.nodes()) argmaxes += node.op->name == std::string("argmax");
  return argmaxes == 0 ? "binary" : argmaxes == 1 ? "sparse" : "categorical";
}

TEST(Accuracy, is_chosen_by_shapes_as_keras_does) {
  EXPECT_EQ(chosen_for({8, 1}, {8, 1}), "binary");
  EXPECT_EQ(chosen_for({8}, {8, 1}), "binary");
  EXPECT_EQ(chosen_for({8}, {8, 10}), "sparse");
  EXPECT_EQ(chosen_for({8, 1}, {8, 10}), "sparse");
  EXPECT_EQ(chosen_for({8, 5}, {8, 5, 10}), "sparse");
  EXPECT_EQ(chosen_for({8, 10}, {8, 10}), "categorical");
}

TEST(Metrics, are_called_what_the_caller_called_them) {
  for (const char* name : {"accuracy", "acc", "mse", "MAE", "binary_accuracy",
                           "sparse_categorical_accuracy", "CategoricalAccuracy"}) {
    EXPECT_EQ(Metric(name).name(), name);
  }
  EXPECT_EQ(Accuracy().name(), "accuracy");
  EXPECT_EQ(BinaryAccuracy().name(), "binary_accuracy");
  EXPECT_EQ(metrics::MeanSquaredError().name(), "mean_squared_error");
  EXPECT_EQ(metrics::MeanAbsoluteError({"error"}).name(), "error");
  EXPECT_EQ(Metric("acc").base()->resolve({8}, {8, 10})->name(), "acc");
  EXPECT_EQ(BinaryAccuracy().base()->resolve({8}, {8, 10}), nullptr);
}

TEST(Metrics, keep_a_sum_and_a_count) {
  const std::vector<Metric> metrics{"accuracy", BinaryAccuracy(), metrics::MeanSquaredError()};
  for (const Metric& metric : metrics) {
    EXPECT_EQ(metric.base()->totals(), 2);
    EXPECT_EQ(metric.base()->result(std::vector<double>{3.0, 4.0}), 0.75);
    EXPECT_EQ(metric.base()->result(std::vector<double>{0.0, 0.0}), 0.0);
  }
}

TEST(Metrics, add_single_values_to_their_totals) {
  for (const bool is_weighted : {false, true}) {
    graph::Graph graph;
    const graph::Value weight = is_weighted ? leaf(graph, {8}) : graph::Value{};
    const auto added = metrics::MeanSquaredError().base()->build(leaf(graph, {8, 5, 3}),
                                                                 leaf(graph, {8, 5, 3}), weight);
    ASSERT_EQ(added.size(), 2u);
    EXPECT_EQ(to_string(added[0].shape()), "()");
    EXPECT_EQ(to_string(added[1].shape()), "()");
  }
}

TEST(Metrics, name_what_does_not_fit) {
  graph::Graph graph;
  const graph::Value y_true = leaf(graph, {8, 4});
  const graph::Value y_pred = leaf(graph, {8, 10});
  EXPECT_EQ(message_of<ShapeError>([&] { BinaryAccuracy().base()->build(y_true, y_pred, {}); }),
            "metric \"binary_accuracy\": expected labels of the predictions' shape (8, 10), "
            "received (8, 4)");
  EXPECT_EQ(message_of<ShapeError>([&] {
              BinaryAccuracy().base()->build(y_pred, y_pred, leaf(graph, {9, 10}));
            }),
            "metric \"binary_accuracy\": shapes (8, 10) and (9, 10) do not broadcast");
  EXPECT_EQ(message_of<ValueError>([] { BinaryAccuracy({.threshold = HUGE_VAL}); }),
            "BinaryAccuracy: expected a threshold to be finite, received inf");
  const std::string message = message_of<ValueError>([] { Metric("f1"); });
  EXPECT_TRUE(message.starts_with(
      "Metric: there is none named \"f1\"; known are accuracy, binary_accuracy, "
      "categorical_accuracy, sparse_categorical_accuracy, mean_squared_error, "
      "mean_absolute_error, "))
      << message;
}

}  // namespace
}  // namespace stoker
