// Op reduce on the CPU against sums in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "backend/node_run.h"
#include "ops/ops.h"
#include "support/expression_reference.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Expression;
using graph::Graph;
using graph::Value;
using ops::ReduceKind;
using test::NodeRun;
using test::noise;

class Reduce : public test::EachIsa {};
INSTANTIATE_TEST_SUITE_P(Isas, Reduce, testing::ValuesIn(test::isas()), test::isa_name);

Value leaf(Graph& graph, Shape shape, DType dtype = DType::float32) {
  return graph.leaf("x", {dtype, shape}, {.space = graph::Space::input});
}

std::vector<double> reference(ReduceKind kind, const Shape& shape,
                              const std::vector<std::int64_t>& axes,
                              const std::vector<double>& values) {
  std::int64_t outputs = 1;
  std::vector<bool> is_reduced(shape.rank());
  for (const std::int64_t axis : axes) is_reduced[static_cast<std::size_t>(axis)] = true;
  for (std::size_t d = 0; d < shape.rank(); ++d) outputs *= is_reduced[d] ? 1 : shape[d];
  const double infinity = std::numeric_limits<double>::infinity();
  std::vector<double> result(static_cast<std::size_t>(outputs), kind == ReduceKind::sum ? 0.0
                                                                : kind == ReduceKind::max
                                                                    ? -infinity
                                                                    : infinity);
  for (std::size_t e = 0; e < values.size(); ++e) {
    std::int64_t rest = static_cast<std::int64_t>(e), target = 0, stride = 1;
    for (std::size_t d = shape.rank(); d-- > 0;) {
      if (!is_reduced[d]) {
        target += rest % shape[d] * stride;
        stride *= shape[d];
      }
      rest /= shape[d];
    }
    double& to = result[static_cast<std::size_t>(target)];
    to = kind == ReduceKind::sum   ? to + values[e]
         : kind == ReduceKind::max ? std::max(to, values[e])
                                   : std::min(to, values[e]);
  }
  return result;
}

struct Case {
  Shape shape;
  std::vector<std::int64_t> axes;
};
const std::vector<Case> kCases{
    {{1}, {0}},
    {{}, {}},
    {{7}, {0}},
    {{1000}, {0}},
    {{300001}, {0}},
    {{5, 3}, {}},
    {{5, 3}, {0, 1}},
    {{1000, 3}, {0}},
    {{5, 200}, {0}},
    {{70000, 10}, {0}},
    {{4099, 32}, {0}},
    {{2050, 127}, {0}},
    {{37, 5000}, {0}},
    {{1, 40}, {0}},
    {{40, 1}, {0}},
    {{1000, 10}, {1}},
    {{33, 2049}, {1}},
    {{3, 200000}, {1}},
    {{4, 7, 7, 33}, {1, 2}},
    {{3, 5000, 6}, {1}},
    {{2, 9, 9, 64}, {0, 1, 2}},
    {{6, 5, 4, 3}, {0, 2}},
    {{6, 5, 4, 3}, {1, 3}},
    {{40, 30, 20, 7}, {0, 2}},
    {{3, 4, 900}, {0, 2}},
    {{6, 1, 4, 1}, {1, 2}},
    {{6, 5, 4, 3, 2}, {0, 2, 4}},
};

TEST_P(Reduce, agrees_with_the_reference_for_all_kinds_and_axes) {
  for (const Case& c : kCases) {
    for (const ReduceKind kind : {ReduceKind::sum, ReduceKind::max, ReduceKind::min}) {
      Graph graph;
      const Value x = leaf(graph, c.shape);
      const Value y = ops::reduce(kind, x, c.axes, false, 0.5f);
      NodeRun run(graph, 2);
      const auto values = noise(static_cast<std::size_t>(c.shape.elements()));
      run.set(x, values);
      run.run();
      const auto expected = reference(kind, c.shape, c.axes, {values.begin(), values.end()});
      const auto received = run.get(y);
      ASSERT_EQ(received.size(), expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        const double wanted = 0.5 * expected[i];
        // What cancels leaves its rounding behind.
        const double terms = static_cast<double>(values.size() / expected.size());
        ASSERT_NEAR(received[i], wanted, 3e-6 * (3 + std::abs(wanted)) + 1e-9 * terms)
            << to_string(c.shape) << " output " << i << " kind " << static_cast<int>(kind);
      }
    }
  }
}

TEST_P(Reduce, applies_its_expression_to_broadcast_inputs) {
  for (const Case& c : kCases) {
    if (c.shape.rank() == 0) continue;
    Graph graph;
    const Value x = leaf(graph, c.shape), b = leaf(graph, {c.shape.back()});
    Expression e;
    e.add_output(square(Expr{&e, e.input(0)} - Expr{&e, e.input(1)} * 0.5f).id);
    const Value y = ops::reduce(ReduceKind::sum, {x, b}, e, c.axes);
    NodeRun run(graph, 2);
    const auto xv = noise(static_cast<std::size_t>(c.shape.elements()));
    const auto bv = noise(static_cast<std::size_t>(c.shape.back()), 1.0f, 3);
    run.set(x, xv);
    run.set(b, bv);
    run.run();
    std::vector<double> values;
    for (std::size_t i = 0; i < xv.size(); ++i) {
      values.push_back(test::evaluate(e, std::vector<double>{xv[i], bv[i % bv.size()]}).front());
    }
    const auto expected = reference(ReduceKind::sum, c.shape, c.axes, values);
    const auto received = run.get(y);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(received[i], expected[i], 3e-6 * (3 + std::abs(expected[i])))
          << to_string(c.shape) << " output " << i;
    }
  }
}

TEST_P(Reduce, keeps_the_error_of_long_sums_small) {
  // The same number again and again: a running float32 sum would drift by percents.
  for (const Case& c : {Case{{4'000'000}, {0}}, Case{{1'000'000, 4}, {0}}}) {
    Graph graph;
    const Value x = leaf(graph, c.shape);
    const Value y = ops::reduce_mean(x, c.axes);
    NodeRun run(graph);
    run.set(x, std::vector<float>(4'000'000, 0.1f));
    run.run();
    for (const float mean : run.get(y)) EXPECT_NEAR(mean, 0.1f, 1e-6) << to_string(c.shape);
  }
}

TEST_P(Reduce, gives_the_same_bits_for_any_number_of_threads) {
  for (const Case& c : kCases) {
    std::vector<float> first;
    for (const int threads : {1, 2, 4}) {
      Graph graph;
      const Value x = leaf(graph, c.shape);
      Expression e;
      e.add_output(exp(Expr{&e, e.input(0)}).id);
      const Value y = ops::reduce(ReduceKind::sum, {x}, e, c.axes);
      NodeRun run(graph, threads);
      run.set(x, noise(static_cast<std::size_t>(c.shape.elements())));
      run.run();
      if (threads == 1) first = run.get(y);
      EXPECT_EQ(run.get(y), first) << to_string(c.shape) << ", " << threads << " threads";
    }
  }
}

TEST_P(Reduce, lets_nan_and_infinity_through) {
  for (const Case& c : kCases) {
    if (c.shape.elements() < 7) continue;
    for (const ReduceKind kind : {ReduceKind::sum, ReduceKind::max, ReduceKind::min}) {
      Graph graph;
      const Value x = leaf(graph, c.shape);
      const Value y = ops::reduce(kind, x, c.axes);
      NodeRun run(graph);
      auto values = noise(static_cast<std::size_t>(c.shape.elements()));
      values[values.size() / 2] = std::numeric_limits<float>::quiet_NaN();
      run.set(x, values);
      run.run();
      const auto received = run.get(y);
      EXPECT_EQ(
          std::count_if(received.begin(), received.end(), [](float v) { return std::isnan(v); }), 1)
          << to_string(c.shape) << " kind " << static_cast<int>(kind);
    }
  }
}

TEST_P(Reduce, reads_labels_as_numbers) {
  Graph graph;
  const Value x = leaf(graph, {5000}, DType::int32), y = leaf(graph, {5000}, DType::int32);
  Expression e;
  e.add_output(equal(Expr{&e, e.input(0)}, Expr{&e, e.input(1)}).id);
  const Value hits = ops::reduce(ReduceKind::sum, {x, y}, e, {0});
  NodeRun run(graph);
  std::vector<std::int32_t> a(5000), b(5000);
  for (int i = 0; i < 5000; ++i) {
    a[static_cast<std::size_t>(i)] = i % 10;
    b[static_cast<std::size_t>(i)] = i % 5;
  }
  run.set(x, a);
  run.set(y, b);
  run.run();
  EXPECT_EQ(run.get(hits), std::vector<float>{2500.0f});
}

TEST_P(Reduce, of_nothing_is_the_neutral_element) {
  Graph graph;
  const Value x = leaf(graph, {0, 3});
  const Value y = ops::reduce_sum(x, {0});
  NodeRun run(graph);
  run.run();
  EXPECT_EQ(run.get(y), std::vector<float>(3, 0.0f));
}

}  // namespace
}  // namespace stoker
