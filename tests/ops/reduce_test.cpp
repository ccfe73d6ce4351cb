// Op reduce: sums, maxima and minima of expressions over axes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/format.h"
#include "ops/cases.h"
#include "stoker/error.h"
#include "support/expression_reference.h"
#include "support/message.h"

namespace stoker {
namespace {

using cases::OpCase;
using cases::OpInput;
using cases::size;
using cases::Tensors;
using cases::uniform;
using cases::Values;
using graph::Expr;
using graph::Expression;
using graph::Graph;
using graph::Value;
using ops::ReduceKind;

struct Reduction {
  ReduceKind kind = ReduceKind::sum;
  Shape shape;  // that the inputs broadcast to
  std::vector<std::int64_t> axes;
  bool keep_dims = false;
  float scale = 1.0f;
};

Values reduced(const Reduction& r, const Values& values) {
  Shape kept = r.shape;
  for (const std::int64_t axis : r.axes) {
    kept[size(axis < 0 ? axis + static_cast<std::int64_t>(r.shape.rank()) : axis)] = 1;
  }
  const double infinity = std::numeric_limits<double>::infinity();
  const double start = r.kind == ReduceKind::sum   ? 0.0
                       : r.kind == ReduceKind::max ? -infinity
                                                   : infinity;
  Values result(size(kept.elements()), start);
  for (std::size_t i = 0; i < values.size(); ++i) {
    double& into = result[test::broadcast_index(kept, r.shape, i)];
    switch (r.kind) {
      case ReduceKind::sum:
        into += values[i];
        break;
      case ReduceKind::max:
        into = std::max(into, values[i]);
        break;
      case ReduceKind::min:
        into = std::min(into, values[i]);
        break;
    }
  }
  for (double& value : result) value *= r.scale;
  return result;
}

OpCase reduction(std::string name, const Reduction& r, std::vector<OpInput> inputs,
                 const std::function<Expr(std::span<const Expr>)>& f) {
  OpCase c;
  c.name = std::move(name);
  Expression expression;
  std::vector<Expr> in;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    in.push_back({&expression, expression.input(static_cast<int>(i))});
  }
  expression.add_output(f(in).id);
  c.inputs = std::move(inputs);
  c.build = [expression, r](Graph&, std::span<const Value> values) {
    return std::vector{ops::reduce(r.kind, {values.begin(), values.end()}, expression, r.axes,
                                   r.keep_dims, r.scale)};
  };
  c.reference = [expression, r, own = c.inputs](const Tensors& tensors) -> Tensors {
    Values values;
    for (std::size_t i = 0; i < size(r.shape.elements()); ++i) {
      Values elements;
      for (std::size_t k = 0; k < tensors.size(); ++k) {
        elements.push_back(tensors[k][test::broadcast_index(own[k].shape, r.shape, i)]);
      }
      values.push_back(test::evaluate(expression, elements).front());
    }
    return {reduced(r, values)};
  };
  const auto count = static_cast<double>(r.shape.elements());
  c.terms = r.kind == ReduceKind::sum ? count + 8.0 : 8.0;
  c.gradient_terms = count;
  // A sum keeps its terms' magnitudes by itself where they are not negative.
  c.magnitude = r.kind == ReduceKind::sum ? count : 1.0;
  c.gradient_magnitude = 4.0;
  if (count > 5'000) c.samples = 3;
  c.fused = {"reduce"};
  return c;
}

OpCase plain(const Reduction& r) {
  const char* kind = r.kind == ReduceKind::sum   ? "sum "
                     : r.kind == ReduceKind::max ? "max "
                                                 : "min ";
  std::string name = kind + to_string(r.shape) + " over";
  for (const auto axis : r.axes) name += " " + std::to_string(axis);
  if (r.keep_dims) name += " kept";
  if (r.scale != 1.0f) name += format(" times ", r.scale);
  const OpInput input =
      r.kind == ReduceKind::sum ? uniform(r.shape) : cases::spread(r.shape, -10.0, 10.0);
  OpCase c = reduction(name, r, {input}, [](auto in) { return in[0]; });
  if (r.kind == ReduceKind::sum) {
    c.magnitude.reset();
    c.gradient_magnitude.reset();
  }
  return c;
}

}  // namespace

std::vector<OpCase> cases::reduce_cases() {
  std::vector<OpCase> all;
  struct Where {
    Shape shape;
    std::vector<std::int64_t> axes;
  };
  for (const Where& w : std::vector<Where>{{{7}, {0}},
                                           {{5, 6}, {0}},
                                           {{5, 6}, {-1}},
                                           {{5, 6}, {0, 1}},
                                           {{3, 4, 5}, {1}},
                                           {{3, 4, 5}, {0, 2}},
                                           {{3, 4, 5}, {1, 2}},
                                           {{2, 3, 4, 5}, {0, 1, 2}},
                                           {{2, 3, 4, 5}, {0, 2}},
                                           {{2, 3, 4, 5}, {1, 3}},
                                           {{4, 1, 3}, {1}},
                                           {{1, 9}, {0}},
                                           {{6}, {}}}) {
    for (const ReduceKind kind : {ReduceKind::sum, ReduceKind::max, ReduceKind::min}) {
      all.push_back(plain({kind, w.shape, w.axes}));
    }
    all.push_back(plain({ReduceKind::sum, w.shape, w.axes, true, 0.3f}));
  }
  // The gradient has to find the elements that were largest: x * 0.3f / 0.3f is not always x.
  all.push_back(plain({ReduceKind::max, {100, 6}, {1}, false, 0.3f}));
  all.push_back(plain({ReduceKind::min, {6, 100}, {0}, true, -0.7f}));
  // Work for several threads, whole and by rows and columns.
  all.push_back(plain({ReduceKind::sum, {300, 400}, {0, 1}}));
  all.push_back(plain({ReduceKind::sum, {300, 400}, {0}}));
  all.push_back(plain({ReduceKind::sum, {300, 400}, {1}}));
  all.push_back(plain({ReduceKind::sum, {64, 13, 13, 16}, {0, 1, 2}}));

  all.push_back(reduction("sum of squares", {.shape = {4, 5}, .axes = {1}}, {uniform({4, 5})},
                          [](auto in) { return graph::square(in[0]); }));
  all.push_back(reduction("sum of products, broadcast", {.shape = {4, 3, 5}, .axes = {0, 2}},
                          {uniform({4, 1, 5}), uniform({3, 1}), uniform({5})},
                          [](auto in) { return in[0] * in[1] + graph::exp(in[2]); }));
  all.push_back(reduction("sum over what an input was broadcast along",
                          {.shape = {4, 6}, .axes = {0}, .scale = 0.25f},
                          {uniform({6}), uniform({4, 1})}, [](auto in) { return in[0] * in[1]; }));
  all.push_back(reduction("max of magnitudes", {ReduceKind::max, {5, 8}, {1}},
                          {cases::spread({5, 8})}, [](auto in) { return graph::abs(in[0]); }));
  all.push_back(reduction("max of exponentials", {ReduceKind::max, {5, 80}, {1}},
                          {cases::spread({5, 80})}, [](auto in) { return graph::exp(in[0]); }));
  all.push_back(reduction("min of differences", {ReduceKind::min, {5, 8}, {0}},
                          {cases::spread({5, 8}, -3.0, 3.0), cases::spread({8}, -0.01, 0.01)},
                          [](auto in) { return in[0] - in[1]; }));
  return all;
}

namespace {

TEST(Reduce, shares_the_gradient_of_a_maximum_between_equals) {
  for (const float scale : {1.0f, 0.3f}) {
    OpCase c = plain({ReduceKind::max, {2, 4}, {1}, false, scale});
    c.inputs = {cases::given({2, 4}, {3, 1, 3, 2, 5, 5, 5, 5})};
    const auto run = test::run_case(c, {.gradients = true});
    const Values& dx = run.gradients[0];
    EXPECT_NE(dx[0], 0.0);
    EXPECT_FLOAT_EQ(static_cast<float>(dx[2]), static_cast<float>(dx[0]));
    EXPECT_EQ(dx[1], 0.0);
    EXPECT_EQ(dx[3], 0.0);
    for (std::size_t i = 4; i < 8; ++i) {
      EXPECT_NE(dx[i], 0.0);
      EXPECT_FLOAT_EQ(static_cast<float>(dx[i]), static_cast<float>(dx[4]));
    }
  }
}

TEST(Reduce, takes_in_the_arithmetic_before_it) {
  OpCase c;
  c.name = "mean of squared differences";
  c.inputs = {uniform({6, 5}), uniform({6, 5})};
  c.build = [](Graph&, std::span<const Value> in) {
    const Value error = ops::map(in[0], in[1], [](Expr a, Expr b) { return graph::square(a - b); });
    return std::vector{ops::reduce_mean(error, {0, 1})};
  };
  c.reference = [](const Tensors& in) -> Tensors {
    double sum = 0.0;
    for (std::size_t i = 0; i < 30; ++i) sum += (in[0][i] - in[1][i]) * (in[0][i] - in[1][i]);
    return {{sum / 30.0}};
  };
  c.magnitude = 1.0;
  c.gradient_magnitude = 1.0;
  c.fused = {"reduce"};
  test::check_forward(c);
  test::check_gradients(c);
  test::check_unfused(c);
}

TEST(Reduce, names_an_axis_that_is_not_there) {
  Graph graph;
  const Value x = graph.leaf("x", {DType::float32, {3, 4}}, {});
  EXPECT_EQ(test::message_of<ShapeError>([&] { ops::reduce_sum(x, {2}); }),
            "reduce: axis 2 is not one of (3, 4)");
  EXPECT_EQ(test::message_of<ShapeError>([&] { ops::reduce_sum(x, {-3}); }),
            "reduce: axis -1 is not one of (3, 4)");
}

}  // namespace
}  // namespace stoker
