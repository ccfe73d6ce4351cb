// Softmax, sparsemax and the softmax cross-entropy on the CPU.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "backend/node_run.h"
#include "ops/ops.h"

namespace stoker {
namespace {

using graph::Graph;
using graph::Value;
using test::NodeRun;
using test::noise;

class Softmax : public test::EachIsa {};
INSTANTIATE_TEST_SUITE_P(Isas, Softmax, testing::ValuesIn(test::isas()), test::isa_name);

Value leaf(Graph& graph, Shape shape, DType dtype = DType::float32) {
  return graph.leaf("x", {dtype, shape}, {.space = graph::Space::input});
}

std::vector<double> softmax(const float* x, std::size_t n) {
  const double max = *std::max_element(x, x + n);
  std::vector<double> y;
  for (std::size_t i = 0; i < n; ++i) y.push_back(std::exp(x[i] - max));
  const double sum = std::accumulate(y.begin(), y.end(), 0.0);
  for (double& value : y) value /= sum;
  return y;
}

const std::vector<std::pair<std::int64_t, std::int64_t>> kSizes{
    {1, 1}, {3, 2}, {5, 7}, {128, 10}, {7, 16}, {9, 17}, {2, 1000}, {3, 20011}, {3000, 33}};

TEST_P(Softmax, sums_to_one_and_agrees_with_the_reference) {
  for (const auto& [rows, columns] : kSizes) {
    for (const bool in_place : {false, true}) {
      Graph graph;
      const Value x = leaf(graph, {rows, columns});
      const Value y = ops::softmax(x);
      NodeRun run(graph, 2);
      const auto values = noise(static_cast<std::size_t>(rows * columns), 12.0f);
      run.set(x, values);
      if (in_place) run.alias(y, x);
      run.run();
      const auto received = run.get(y);
      const auto n = static_cast<std::size_t>(columns);
      for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r) {
        const auto expected = softmax(&values[r * n], n);
        for (std::size_t c = 0; c < n; ++c) {
          ASSERT_NEAR(received[r * n + c], expected[c], 1e-9 + 5e-6 * expected[c])
              << rows << " x " << columns << " at " << r << ", " << c;
        }
      }
    }
  }
}

TEST_P(Softmax, log_agrees_with_the_reference) {
  for (const auto& [rows, columns] : kSizes) {
    Graph graph;
    const Value x = leaf(graph, {rows, columns});
    const Value y = ops::log_softmax(x);
    NodeRun run(graph, 2);
    const auto values = noise(static_cast<std::size_t>(rows * columns), 12.0f);
    run.set(x, values);
    run.run();
    const auto received = run.get(y);
    const auto n = static_cast<std::size_t>(columns);
    for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r) {
      const auto expected = softmax(&values[r * n], n);
      for (std::size_t c = 0; c < n; ++c) {
        ASSERT_NEAR(received[r * n + c], std::log(expected[c]), 1e-5) << rows << " x " << columns;
      }
    }
  }
}

TEST_P(Softmax, takes_large_logits_and_passes_nan_on) {
  Graph graph;
  const Value x = leaf(graph, {3, 3});
  const Value y = ops::softmax(x);
  NodeRun run(graph);
  const float infinity = std::numeric_limits<float>::infinity();
  run.set(x, std::vector<float>{1e30f, 0.0f, -1e30f, -infinity, 1.0f, 1.0f, NAN, 0.0f, 1.0f});
  run.run();
  const auto received = run.get(y);
  EXPECT_EQ(std::vector<float>(received.begin(), received.begin() + 6),
            (std::vector<float>{1.0f, 0.0f, 0.0f, 0.0f, 0.5f, 0.5f}));
  EXPECT_TRUE(std::isnan(received[6]) && std::isnan(received[7]) && std::isnan(received[8]));
}

// Algorithm 1 of the paper, as it stands there.
std::vector<double> sparsemax(std::vector<double> z) {
  std::vector<double> sorted = z;
  std::sort(sorted.rbegin(), sorted.rend());
  double sum = 0.0, threshold = 0.0;
  for (std::size_t k = 0; k < sorted.size(); ++k) {
    sum += sorted[k];
    const double count = static_cast<double>(k) + 1.0;
    if (1.0 + count * sorted[k] > sum) threshold = (sum - 1.0) / count;
  }
  for (double& value : z) value = std::max(value - threshold, 0.0);
  return z;
}

TEST_P(Softmax, sparsemax_agrees_with_the_sorting_algorithm) {
  for (const auto& [rows, columns] : kSizes) {
    Graph graph;
    const Value x = leaf(graph, {rows, columns});
    const Value y = ops::sparsemax(x);
    NodeRun run(graph, 2);
    const auto values = noise(static_cast<std::size_t>(rows * columns), 2.0f);
    run.set(x, values);
    run.run();
    const auto received = run.get(y);
    const auto n = static_cast<std::size_t>(columns);
    for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r) {
      const auto expected = sparsemax({values.begin() + static_cast<std::ptrdiff_t>(r * n),
                                       values.begin() + static_cast<std::ptrdiff_t>((r + 1) * n)});
      for (std::size_t c = 0; c < n; ++c) ASSERT_NEAR(received[r * n + c], expected[c], 1e-6);
    }
  }
}

TEST_P(Softmax, sparsemax_passes_nan_on) {
  Graph graph;
  const Value x = leaf(graph, {1, 3});
  const Value y = ops::sparsemax(x);
  NodeRun run(graph);
  run.set(x, std::vector<float>{NAN, 0.0f, 1.0f});
  run.run();
  for (const float value : run.get(y)) EXPECT_TRUE(std::isnan(value));
}

// ---- Cross-entropy ----

struct CrossEntropy {
  Graph graph;
  Value logits, labels;
  graph::ValueId loss, gradient;

  CrossEntropy(std::int64_t rows, std::int64_t columns, bool sparse) {
    logits = leaf(graph, {rows, columns});
    labels = sparse ? leaf(graph, {rows}, DType::int32) : leaf(graph, {rows, columns});
    ops::softmax_cross_entropy(logits, labels);
    loss = graph.nodes().back().outputs[0];
    gradient = graph.nodes().back().outputs[1];
  }
};

TEST_P(Softmax, cross_entropy_agrees_for_sparse_and_dense_labels) {
  for (const auto& [rows, columns] : kSizes) {
    for (const bool sparse : {true, false}) {
      CrossEntropy op(rows, columns, sparse);
      NodeRun run(op.graph, 2);
      const auto n = static_cast<std::size_t>(columns), m = static_cast<std::size_t>(rows);
      const auto logits = noise(n * m, 8.0f);
      std::vector<std::int32_t> classes(m);
      std::vector<float> weights(n * m);
      for (std::size_t r = 0; r < m; ++r) {
        classes[r] = static_cast<std::int32_t>(r * 7 % n);
        weights[r * n + static_cast<std::size_t>(classes[r])] = 1.0f;
        // Dense labels need not sum to one.
        if (!sparse) weights[r * n] += 0.5f;
      }
      run.set(op.logits, logits);
      if (sparse) {
        run.set(op.labels, classes);
      } else {
        run.set(op.labels, weights);
      }
      run.run();
      const auto loss = run.get(op.graph.value(op.loss));
      const auto gradient = run.get(op.graph.value(op.gradient));
      for (std::size_t r = 0; r < m; ++r) {
        const auto p = softmax(&logits[r * n], n);
        double expected = 0.0, total = 0.0;
        for (std::size_t c = 0; c < n; ++c) {
          expected -= weights[r * n + c] * std::log(p[c]);
          total += weights[r * n + c];
        }
        ASSERT_NEAR(loss[r], expected, 1e-5 * (1 + expected)) << rows << " x " << columns;
        for (std::size_t c = 0; c < n; ++c) {
          ASSERT_NEAR(gradient[r * n + c], p[c] * total - weights[r * n + c], 2e-6);
        }
      }
      EXPECT_EQ(run.scalars.error, plan::StepError::none);
    }
  }
}

TEST_P(Softmax, cross_entropy_records_the_first_label_out_of_range) {
  for (const int threads : {1, 2, 4}) {
    CrossEntropy op(20000, 10, true);
    NodeRun run(op.graph, threads);
    std::vector<std::int32_t> labels(20000, 3);
    labels[7003] = 10;
    labels[19999] = -1;
    run.set(op.logits, noise(200000));
    run.set(op.labels, labels);
    run.run();
    EXPECT_EQ(run.scalars.error, plan::StepError::label_out_of_range);
    EXPECT_EQ(run.scalars.error_node, 0);
    EXPECT_EQ(run.scalars.error_detail, 10);
    EXPECT_EQ(run.scalars.error_row, 7003);
    EXPECT_EQ(run.get(op.graph.value(op.loss))[7003], 0.0f);
    const auto gradient = run.get(op.graph.value(op.gradient));
    for (std::size_t c = 0; c < 10; ++c) EXPECT_EQ(gradient[70030 + c], 0.0f);
  }
}

TEST_P(Softmax, cross_entropy_keeps_an_earlier_error) {
  CrossEntropy op(2, 3, true);
  NodeRun run(op.graph);
  run.set(op.logits, noise(6));
  run.set(op.labels, std::vector<std::int32_t>{5, 0});
  run.scalars.error = plan::StepError::non_finite_loss;
  run.scalars.error_node = 42;
  run.run();
  EXPECT_EQ(run.scalars.error, plan::StepError::non_finite_loss);
  EXPECT_EQ(run.scalars.error_node, 42);
}

}  // namespace
}  // namespace stoker
