// One-hot, argmax, slices, reshape and advance on the CPU.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "backend/node_run.h"
#include "ops/ops.h"

namespace stoker {
namespace {

using graph::Graph;
using graph::Value;
using test::NodeRun;
using test::noise;

Value leaf(Graph& graph, Shape shape, DType dtype = DType::float32) {
  return graph.leaf("x", {dtype, shape}, {.space = graph::Space::input});
}

TEST(OneHot, puts_a_one_where_the_label_says) {
  Graph graph;
  const Value labels = leaf(graph, {2, 2}, DType::int32);
  const Value y = ops::one_hot(labels, 3);
  NodeRun run(graph);
  run.set(labels, std::vector<std::int32_t>{0, 2, 1, 0});
  run.run();
  EXPECT_EQ(run.get(y), (std::vector<float>{1, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0}));
  EXPECT_EQ(run.scalars.error, plan::StepError::none);
}

TEST(OneHot, records_the_first_label_out_of_range_for_any_number_of_threads) {
  for (const int threads : {1, 2, 4}) {
    Graph graph;
    const Value labels = leaf(graph, {30000}, DType::int32);
    const Value y = ops::one_hot(labels, 4);
    NodeRun run(graph, threads);
    std::vector<std::int32_t> values(30000, 1);
    values[9001] = -7;
    values[29000] = 4;
    run.set(labels, values);
    run.run();
    EXPECT_EQ(run.scalars.error, plan::StepError::label_out_of_range);
    EXPECT_EQ(run.scalars.error_detail, -7);
    EXPECT_EQ(run.scalars.error_row, 9001);
    const auto received = run.get(y);
    for (std::size_t c = 0; c < 4; ++c) EXPECT_EQ(received[4 * 9001 + c], 0.0f);
    EXPECT_EQ(received[4 * 9002 + 1], 1.0f);
  }
}

TEST(Argmax, finds_the_first_largest) {
  Graph graph;
  const Value x = leaf(graph, {4, 3});
  const Value y = ops::argmax(x);
  NodeRun run(graph);
  run.set(x, std::vector<float>{1, 3, 3, -1, -2, -1, 0, NAN, 5, 2, 2, 2});
  run.run();
  EXPECT_EQ(run.get<std::int32_t>(y), (std::vector<std::int32_t>{1, 0, 1, 0}));
}

TEST(Slice, takes_elements_of_one_axis) {
  struct Case {
    Shape shape;
    std::int64_t axis, begin, extent;
  };
  for (const Case& c : {Case{{6}, 0, 2, 3}, Case{{5, 4}, 0, 1, 2}, Case{{5, 4}, 1, 3, 1},
                        Case{{300, 5, 70}, 1, 1, 3}, Case{{2, 3, 4}, 2, 0, 4}}) {
    Graph graph;
    const Value x = leaf(graph, c.shape);
    const Value y = ops::slice(x, c.axis, c.begin, c.extent);
    NodeRun run(graph, 2);
    const auto values = noise(static_cast<std::size_t>(c.shape.elements()));
    run.set(x, values);
    run.run();
    const auto received = run.get(y);

    Graph backward;
    const Value dy = leaf(backward, y.shape());
    const Value dx = backward
                         .append(ops::op(ops::OpIndex::slice_backward), {dy},
                                 graph.nodes().back().attributes, {{DType::float32, c.shape}})
                         .front();
    NodeRun run_backward(backward, 2);
    run_backward.set(dy, received);
    run_backward.run();
    const auto spread = run_backward.get(dx);

    std::size_t taken = 0;
    for (std::size_t e = 0; e < values.size(); ++e) {
      std::int64_t inner = 1;
      for (std::size_t d = static_cast<std::size_t>(c.axis) + 1; d < c.shape.rank(); ++d) {
        inner *= c.shape[d];
      }
      const std::int64_t position =
          static_cast<std::int64_t>(e) / inner % c.shape[static_cast<std::size_t>(c.axis)];
      const bool is_inside = position >= c.begin && position < c.begin + c.extent;
      if (is_inside) {
        ASSERT_EQ(received[taken++], values[e]) << to_string(c.shape);
      }
      ASSERT_EQ(spread[e], is_inside ? values[e] : 0.0f) << to_string(c.shape) << " " << e;
    }
    EXPECT_EQ(taken, received.size());
  }
}

TEST(Reshape, does_nothing_in_place_and_copies_elsewhere) {
  for (const bool in_place : {true, false}) {
    Graph graph;
    const Value x = leaf(graph, {4, 3});
    const Value y = ops::reshape(x, {2, 6});
    NodeRun run(graph);
    const auto values = noise(12);
    run.set(x, values);
    if (in_place) run.alias(y, x);
    run.run();
    EXPECT_EQ(run.get(y), values);
  }
}

plan::Scalars advanced(float loss, plan::Scalars before = {}) {
  Graph graph;
  const Value x = leaf(graph, {});
  ops::advance(x);
  NodeRun run(graph);
  run.set(x, std::vector<float>{loss});
  run.scalars = before;
  run.run();
  return run.scalars;
}

TEST(Advance, counts_a_step) {
  const auto scalars = advanced(0.5f, {.iterations = 3, .step = 9});
  EXPECT_EQ(scalars.iterations, 4);
  EXPECT_EQ(scalars.step, 10u);
  EXPECT_EQ(scalars.error, plan::StepError::none);
}

TEST(Advance, refuses_a_loss_that_is_not_finite) {
  for (const float loss : {NAN, std::numeric_limits<float>::infinity()}) {
    const auto scalars = advanced(loss);
    EXPECT_EQ(scalars.iterations, 0);
    EXPECT_EQ(scalars.step, 0u);
    EXPECT_EQ(scalars.error, plan::StepError::non_finite_loss);
    EXPECT_EQ(scalars.error_node, 0);
  }
}

TEST(Advance, leaves_a_refused_step_alone) {
  const auto scalars =
      advanced(NAN, {.error = plan::StepError::label_out_of_range, .error_node = 5});
  EXPECT_EQ(scalars.error, plan::StepError::label_out_of_range);
  EXPECT_EQ(scalars.error_node, 5);
  EXPECT_EQ(scalars.step, 0u);
}

}  // namespace
}  // namespace stoker
