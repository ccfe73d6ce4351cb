// Op pointwise on the CPU against the meaning of expressions in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "backend/node_run.h"
#include "ops/ops.h"
#include "plan/scalars.h"
#include "stoker/dtype.h"
#include "support/expression_reference.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Expression;
using graph::ExprOp;
using graph::Graph;
using graph::Value;
using test::EachIsa;
using test::NodeRun;
using test::noise;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Value leaf(Graph& graph, Shape shape, DType dtype = DType::float32) {
  return graph.leaf("x", {dtype, shape}, {.space = graph::Space::input});
}
std::size_t elements(const Value& value) {
  return static_cast<std::size_t>(value.shape().elements());
}

// In units of the expected value's last place as float32.
double ulps(float received, double expected) {
  const auto rounded = static_cast<float>(expected);
  if (std::isnan(expected)) return std::isnan(received) ? 0.0 : 1e9;
  if (std::isinf(rounded) || std::isinf(received)) return rounded == received ? 0.0 : 1e9;
  const int exponent = std::max(std::ilogb(std::abs(rounded) > 0 ? rounded : 1e-45f), -126);
  return std::abs(received - expected) / std::ldexp(1.0, exponent - 23);
}

// ---- Accuracy of every op ----

std::vector<float> unary_points() {
  std::vector<float> points{0.0f, -0.0f, kInfinity, -kInfinity, kNan, 1.0f, -1.0f, 1e-45f, -1e-40f};
  for (int i = 0; i < 4000; ++i) {
    const double exponent = -44.0 + 82.0 * i / 4000;
    points.push_back(static_cast<float>(std::pow(10.0, exponent)));
    points.push_back(static_cast<float>(-std::pow(10.0, exponent)));
  }
  for (int i = -6000; i <= 6000; ++i) {
    points.push_back(static_cast<float>(i) * 0.01771f);  // beyond what exp can take, both ways
    points.push_back(static_cast<float>(i) * 0.000531f);
  }
  return points;
}

std::vector<float> apply_unary(ExprOp op, const std::vector<float>& x) {
  Graph graph;
  const Value input = leaf(graph, {static_cast<std::int64_t>(x.size())});
  const Value y = ops::map(input, [&](Expr e) { return graph::apply(op, e); });
  NodeRun run(graph);
  run.set(input, x);
  run.run();
  return run.get(y);
}

class UnaryAccuracy : public testing::TestWithParam<std::tuple<std::string, ExprOp>> {};

TEST_P(UnaryAccuracy, is_within_three_units_in_the_last_place) {
  const auto [isa, op] = GetParam();
  setenv("STOKER_CPU_ISA", isa.c_str(), 1);
  const auto x = unary_points();
  const auto y = apply_unary(op, x);
  unsetenv("STOKER_CPU_ISA");
  double worst = 0.0;
  std::size_t where = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double error = ulps(y[i], test::evaluate_op(op, x[i]));
    if (error > worst) worst = error, where = i;
  }
  RecordProperty("worst_ulps", std::to_string(worst));
  EXPECT_LE(worst, 3.0) << name_of(op) << "(" << x[where] << "): received " << y[where]
                        << ", expected " << test::evaluate_op(op, x[where]);
}

INSTANTIATE_TEST_SUITE_P(
    Ops, UnaryAccuracy,
    testing::Combine(testing::ValuesIn(test::isas()),
                     testing::Values(ExprOp::neg, ExprOp::abs, ExprOp::sign, ExprOp::floor,
                                     ExprOp::exp, ExprOp::expm1, ExprOp::log, ExprOp::log1p,
                                     ExprOp::sqrt, ExprOp::rsqrt, ExprOp::reciprocal, ExprOp::tanh,
                                     ExprOp::sigmoid, ExprOp::relu, ExprOp::erf, ExprOp::sin,
                                     ExprOp::cos, ExprOp::is_finite, ExprOp::to_bfloat16,
                                     ExprOp::to_float16)),
    [](const auto& info) {
      return std::get<0>(info.param) + "_" + name_of(std::get<1>(info.param));
    });

class BinaryAccuracy : public testing::TestWithParam<std::tuple<std::string, ExprOp>> {};

TEST_P(BinaryAccuracy, is_within_two_units_in_the_last_place) {
  const auto [isa, op] = GetParam();
  const std::vector<float> points{0.0f,   -0.0f,     1.0f,       -1.0f,  2.0f,   -2.0f,  0.5f,
                                  3.0f,   -3.0f,     7.0f,       1e-40f, 1e-5f,  0.1f,   0.999f,
                                  1.001f, 1.7f,      -1.25f,     12.5f,  100.0f, -33.3f, 1e10f,
                                  1e30f,  kInfinity, -kInfinity, kNan,   5e6f,   3e9f};
  std::vector<float> a, b;
  for (const float x : points) {
    for (const float y : points) a.push_back(x), b.push_back(y);
  }
  setenv("STOKER_CPU_ISA", isa.c_str(), 1);
  Graph graph;
  const Value x = leaf(graph, {static_cast<std::int64_t>(a.size())});
  const Value y = leaf(graph, {static_cast<std::int64_t>(a.size())});
  const Value z = ops::map(x, y, [op = op](Expr p, Expr q) { return graph::apply(op, p, q); });
  NodeRun run(graph);
  unsetenv("STOKER_CPU_ISA");
  run.set(x, a);
  run.set(y, b);
  run.run();
  const auto received = run.get(z);
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double expected = test::evaluate_op(op, a[i], b[i]);
    EXPECT_LE(ulps(received[i], expected), 2.0)
        << name_of(op) << "(" << a[i] << ", " << b[i] << "): received " << received[i]
        << ", expected " << expected;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Ops, BinaryAccuracy,
    testing::Combine(testing::ValuesIn(test::isas()),
                     testing::Values(ExprOp::add, ExprOp::sub, ExprOp::mul, ExprOp::div,
                                     ExprOp::minimum, ExprOp::maximum, ExprOp::pow, ExprOp::less,
                                     ExprOp::less_equal, ExprOp::equal)),
    [](const auto& info) {
      return std::get<0>(info.param) + "_" + name_of(std::get<1>(info.param));
    });

// ---- Sizes, broadcasts, memory ----

class Pointwise : public EachIsa {};
INSTANTIATE_TEST_SUITE_P(Isas, Pointwise, testing::ValuesIn(test::isas()), test::isa_name);

// What the node's expression means for all its elements, inputs read by NumPy's broadcasting.
std::vector<double> reference(const Expression& expression, const Shape& shape,
                              const std::vector<Shape>& shapes,
                              const std::vector<std::vector<float>>& inputs,
                              test::ElementContext context = {}, std::size_t output = 0) {
  std::vector<double> result;
  for (std::int64_t e = 0; e < shape.elements(); ++e) {
    std::vector<double> values;
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      std::int64_t rest = e, stride = 1, at = 0;
      for (std::size_t back = 1; back <= shape.rank(); ++back) {
        const std::int64_t extent = shape[shape.rank() - back];
        if (back <= shapes[k].rank()) {
          const std::int64_t own = shapes[k][shapes[k].rank() - back];
          if (own != 1) at += rest % extent * stride;
          stride *= own;
        }
        rest /= extent;
      }
      values.push_back(inputs[k][static_cast<std::size_t>(at)]);
    }
    context.element = static_cast<std::uint64_t>(e);
    result.push_back(test::evaluate(expression, values, context)[output]);
  }
  return result;
}

void expect_near(const std::vector<float>& received, const std::vector<double>& expected,
                 double tolerance = 2e-6) {
  ASSERT_EQ(received.size(), expected.size());
  for (std::size_t i = 0; i < received.size(); ++i) {
    ASSERT_NEAR(received[i], expected[i], tolerance * (1 + std::abs(expected[i])))
        << "element " << i << " of " << received.size();
  }
}

TEST_P(Pointwise, works_for_every_length) {
  for (const std::int64_t n : {1,  2,  3,   7,   8,   9,   15,  16,   17,   31,   32,   33,
                               47, 64, 100, 511, 512, 513, 529, 1000, 1024, 1041, 40001}) {
    Graph graph;
    const Value x = leaf(graph, {n}), y = leaf(graph, {n});
    Expression e;
    const Expr a{&e, e.input(0)}, b{&e, e.input(1)};
    e.add_output((tanh(a) * b + exp(b) * 0.25f - a).id);
    const Value z = ops::pointwise({x, y}, e).front();
    NodeRun run(graph);
    const auto av = noise(elements(x), 2.0f), bv = noise(elements(x), 2.0f, 7);
    run.set(x, av);
    run.set(y, bv);
    run.run();
    expect_near(run.get(z), reference(e, z.shape(), {x.shape(), y.shape()}, {av, bv}));
  }
}

TEST_P(Pointwise, broadcasts_as_numpy_does) {
  struct Case {
    Shape a, b, c;
  };
  const Case cases[] = {
      {{6, 5}, {5}, {}},           {{300, 7}, {7}, {300, 1}},
      {{3, 1}, {1, 4}, {1}},       {{2, 3, 4, 5}, {3, 1, 5}, {1, 3, 4, 1}},
      {{40, 600}, {600}, {40, 1}}, {{5, 513}, {1, 513}, {5, 1}},
      {{128, 32}, {32}, {1, 1}},   {{7, 1, 9}, {1, 6, 1}, {6, 9}},
      {{1}, {1, 1}, {}},           {{2, 700, 3}, {2, 1, 3}, {700, 1}},
      {{1000, 1}, {1}, {1000, 2}}, {{}, {}, {}},
  };
  for (const Case& c : cases) {
    Graph graph;
    const Value a = leaf(graph, c.a), b = leaf(graph, c.b), d = leaf(graph, c.c);
    Expression e;
    e.add_output(
        (Expr{&e, e.input(0)} * 2.0f - Expr{&e, e.input(1)} / (2.0f + Expr{&e, e.input(2)})).id);
    const Value y = ops::pointwise({a, b, d}, e).front();
    NodeRun run(graph);
    const auto av = noise(elements(a)), bv = noise(elements(b), 1.0f, 5),
               dv = noise(elements(d), 1.0f, 9);
    run.set(a, av);
    run.set(b, bv);
    run.set(d, dv);
    run.run();
    SCOPED_TRACE(to_string(c.a) + " " + to_string(c.b) + " " + to_string(c.c));
    expect_near(run.get(y), reference(e, y.shape(), {c.a, c.b, c.c}, {av, bv, dv}));
  }
}

TEST_P(Pointwise, reads_other_types_and_broadcasts_them) {
  Graph graph;
  const Value a = leaf(graph, {700, 3}, DType::int32), b = leaf(graph, {700, 3}, DType::uint8),
              c = leaf(graph, {3}, DType::bfloat16), d = leaf(graph, {700, 1}, DType::float16),
              f = leaf(graph, {}, DType::int32);
  Expression e;
  Expr sum{&e, e.input(0)};
  for (int i = 1; i < 5; ++i) sum = sum * 0.5f + Expr{&e, e.input(i)};
  e.add_output(sum.id);
  const Value y = ops::pointwise({a, b, c, d, f}, e).front();
  NodeRun run(graph);
  std::vector<std::int32_t> av(2100);
  std::vector<std::uint8_t> bv(2100);
  std::vector<bfloat16> cv{bfloat16(0.5f), bfloat16(-3.0f), bfloat16(1e-3f)};
  std::vector<float16> dv(700);
  for (std::size_t i = 0; i < 2100; ++i) {
    av[i] = static_cast<std::int32_t>(i * 7919) - 3000000;
    bv[i] = static_cast<std::uint8_t>(i * 31);
  }
  for (std::size_t i = 0; i < 700; ++i) {
    dv[i].bits = static_cast<std::uint16_t>(i * 45);  // denormals among them, up to 30
  }
  run.set(a, av);
  run.set(b, bv);
  run.set(c, cv);
  run.set(d, dv);
  run.set(f, std::vector<std::int32_t>{-4});
  run.run();
  const auto floats = [](const auto& values) {
    std::vector<float> result;
    for (const auto& value : values) result.push_back(static_cast<float>(value));
    return result;
  };
  expect_near(run.get(y),
              reference(e, y.shape(), {a.shape(), b.shape(), c.shape(), d.shape(), f.shape()},
                        {floats(av), floats(bv), floats(cv), floats(dv), {-4.0f}}));
}

template <class T>
std::vector<T> store_as(DType dtype, const std::vector<float>& x) {
  Graph graph;
  const Value input = leaf(graph, {static_cast<std::int64_t>(x.size())});
  const graph::Home home{.space = graph::Space::state};
  const Value target = graph.leaf("target", {dtype, input.shape()}, home);
  Expression e;
  e.add_output(e.input(0));
  auto attributes = std::make_shared<ops::PointwiseAttributes>();
  attributes->expression = e;
  const Value y =
      graph.append(ops::op(ops::OpIndex::pointwise), {input}, attributes, {{dtype, target.shape()}})
          .front();
  NodeRun run(graph);
  run.set(input, x);
  run.run();
  return run.get<T>(y);
}

TEST_P(Pointwise, writes_other_types_rounded) {
  std::vector<float> x{0.0f,     1.0f,  -2.5f, 254.9f, 3e9f, -3e9f,     65504.0f,
                       65520.0f, 1e-7f, 3e-8f, 6e-5f,  1e6f, kInfinity, -kInfinity};
  for (const float value : noise(500, 300.0f)) x.push_back(value);
  const auto half = store_as<float16>(DType::float16, x);
  const auto brain = store_as<bfloat16>(DType::bfloat16, x);
  const auto integer = store_as<std::int32_t>(DType::int32, x);
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(half[i].bits, float16(x[i]).bits) << x[i];
    EXPECT_EQ(brain[i].bits, bfloat16(x[i]).bits) << x[i];
    if (std::abs(x[i]) < 2e9f) {
      EXPECT_EQ(integer[i], static_cast<std::int32_t>(x[i]));
    }
  }
  EXPECT_EQ(integer[5], std::numeric_limits<std::int32_t>::min());
}

// Adam's shape: three outputs over three of the inputs, each read by several terms.
Expression three_updates() {
  Expression e;
  const Expr p{&e, e.input(0)}, g{&e, e.input(1)}, m{&e, e.input(2)}, v{&e, e.input(3)};
  const Expr new_m = m + (g - m) * 0.1f;
  const Expr new_v = v + (g * g - v) * 0.001f;
  // p is written first although the others read it later.
  e.add_output((p - new_m / (sqrt(abs(new_v)) + 1e-3f) + m * v).id);
  e.add_output((new_m + p * 0.5f).id);
  e.add_output((new_v - p).id);
  return e;
}

TEST_P(Pointwise, writes_over_its_inputs) {
  const Expression e = three_updates();
  for (const std::int64_t n : {5, 16, 600, 5003}) {
    Graph graph;
    std::vector<Value> inputs;
    std::vector<std::vector<float>> values;
    for (std::uint32_t i = 0; i < 4; ++i) {
      inputs.push_back(leaf(graph, {n}));
      graph.info(inputs.back().id).home = {};  // in the arena: anything may lie anywhere
      values.push_back(noise(static_cast<std::size_t>(n), 1.0f, i));
    }
    const auto outputs = ops::pointwise(inputs, e);
    NodeRun run(graph);
    for (std::size_t i = 0; i < 4; ++i) run.set(inputs[i], values[i]);
    run.alias(outputs[0], inputs[0]);
    run.alias(outputs[1], inputs[2]);
    run.alias(outputs[2], inputs[3]);
    run.run();
    const std::vector<Shape> shapes(4, Shape{n});
    for (std::size_t j = 0; j < 3; ++j) {
      expect_near(run.get(outputs[j]), reference(e, {n}, shapes, values, {}, j), 1e-5);
    }
  }
}

TEST_P(Pointwise, swaps_two_values_in_place) {
  Graph graph;
  const Value a = leaf(graph, {700}), b = leaf(graph, {700});
  graph.info(a.id).home = graph.info(b.id).home = {};
  Expression e;
  e.add_output(e.input(1));
  e.add_output(e.input(0));
  const auto outputs = ops::pointwise({a, b}, e);
  NodeRun run(graph);
  const auto av = noise(700), bv = noise(700, 1.0f, 2);
  run.set(a, av);
  run.set(b, bv);
  run.alias(outputs[0], a);
  run.alias(outputs[1], b);
  run.run();
  EXPECT_EQ(run.get(outputs[0]), bv);
  EXPECT_EQ(run.get(outputs[1]), av);
}

TEST_P(Pointwise, gives_one_result_to_two_outputs) {
  Graph graph;
  const Value x = leaf(graph, {33});
  Expression e;
  const Expr y = Expr{&e, e.input(0)} * 3.0f;
  e.add_output(y.id);
  e.add_output(y.id);
  e.add_output(e.constant(4.0f));
  const auto outputs = ops::pointwise({x}, e);
  NodeRun run(graph);
  run.set(x, std::vector<float>(33, 2.0f));
  run.run();
  EXPECT_EQ(run.get(outputs[0]), std::vector<float>(33, 6.0f));
  EXPECT_EQ(run.get(outputs[1]), std::vector<float>(33, 6.0f));
  EXPECT_EQ(run.get(outputs[2]), std::vector<float>(33, 4.0f));
}

TEST_P(Pointwise, keeps_many_values_alive_at_once) {
  Graph graph;
  const Value x = leaf(graph, {1003});
  Expression e;
  std::vector<Expr> terms;
  for (int i = 0; i < 60; ++i) {
    terms.push_back(sigmoid(Expr{&e, e.input(0)} * (0.1f * static_cast<float>(i) + 0.05f)));
  }
  Expr sum = terms.back();
  for (std::size_t i = 0; i + 1 < terms.size(); ++i) sum = terms[i] - sum * 0.9f;
  for (const Expr& term : terms) sum = sum + term * 0.01f;
  e.add_output(sum.id);
  const Value y = ops::pointwise({x}, e).front();
  NodeRun run(graph);
  const auto xv = noise(1003);
  run.set(x, xv);
  run.run();
  expect_near(run.get(y), reference(e, {1003}, {{1003}}, {xv}), 1e-5);
}

// ---- Random numbers ----

TEST_P(Pointwise, draws_the_numbers_that_the_element_says) {
  for (const std::int64_t n : {1, 3, 10, 513, 30011}) {
    Graph graph;
    const Value x = leaf(graph, {n});
    Expression e;
    e.add_output(
        (Expr{&e, e.append({.op = ExprOp::uniform, .index = 5})} + Expr{&e, e.input(0)}).id);
    const Value y = ops::pointwise({x}, e).front();
    NodeRun run(graph, 2);
    run.scalars.seed = 0x1234567890abcdefU;
    run.scalars.step = 77;
    const std::vector<float> zeros(static_cast<std::size_t>(n));
    run.set(x, zeros);
    run.run();
    const auto expected =
        reference(e, {n}, {{n}}, {zeros}, {.seed = 0x1234567890abcdefU, .step = 77});
    const auto received = run.get(y);
    for (std::size_t i = 0; i < received.size(); ++i) {
      ASSERT_EQ(received[i], static_cast<float>(expected[i])) << i;
    }
  }
}

// ---- Ranges and guards ----

struct RangeRun {
  Graph graph;
  Value x = graph.leaf("p", {DType::float32, {40000}}, {.space = graph::Space::parameter});

  explicit RangeRun(bool guarded) {
    Expression e;
    const Expr range{&e, e.append({.op = ExprOp::range_value})};
    const Expr noise_term{&e, e.append({.op = ExprOp::uniform, .index = 1})};
    e.add_output((Expr{&e, e.input(0)} * range + noise_term).id);
    expression = e;
    ops::pointwise_into(
        {x}, e, {{.space = graph::Space::parameter}},
        {.ranges = ranges, .guard = guarded ? ops::Guard::error : ops::Guard::none});
  }

  Expression expression;
  std::vector<ops::Range> ranges{{.offset = 3, .count = 10, .value = 2.0f},
                                 {.offset = 64, .count = 1, .value = -1.0f},
                                 {.offset = 1001, .count = 38000, .value = 0.5f}};
};

TEST_P(Pointwise, works_on_its_ranges_and_nothing_else) {
  for (const int threads : {1, 2}) {
    RangeRun ranges(false);
    const Value y = ranges.graph.value(ranges.graph.nodes().back().outputs.front());
    NodeRun run(ranges.graph, threads);
    const auto xv = noise(40000);
    run.set(ranges.x, xv);
    run.alias(y, ranges.x);
    run.run();
    std::vector<double> expected(xv.begin(), xv.end());
    for (const ops::Range& range : ranges.ranges) {
      for (std::int64_t i = range.offset; i < range.offset + range.count; ++i) {
        const auto at = static_cast<std::size_t>(i);
        expected[at] =
            test::evaluate(ranges.expression, std::vector<double>{xv[at]},
                           {.element = static_cast<std::uint64_t>(i), .range_value = range.value})
                .front();
      }
    }
    expect_near(run.get(y), expected, 1e-6);
  }
}

TEST_P(Pointwise, does_nothing_when_guarded_after_an_error) {
  RangeRun ranges(true);
  const Value y = ranges.graph.value(ranges.graph.nodes().back().outputs.front());
  NodeRun run(ranges.graph);
  const auto xv = noise(40000);
  run.set(ranges.x, xv);
  run.alias(y, ranges.x);
  run.scalars.error = plan::StepError::non_finite_loss;
  run.run();
  EXPECT_EQ(run.get(y), xv);
  run.scalars.error = plan::StepError::none;
  run.run();
  EXPECT_NE(run.get(y), xv);
}

// ---- Finite values ----

// p = 100 p, m = m + p, and a float16 copy of p: some overflow float32, others only the copy.
TEST_P(Pointwise, stores_an_element_only_where_all_of_it_is_finite) {
  constexpr std::int64_t kElements = 20'011;
  for (const int threads : {1, 3}) {
    Graph graph;
    const Value p =
        graph.leaf("p", {DType::float32, {kElements}}, {.space = graph::Space::parameter});
    const Value m = graph.leaf("m", {DType::float32, {kElements}}, {.space = graph::Space::slot});
    Expression e;
    const Expr parameter = Expr{&e, e.input(0)} * 100.0f;
    e.add_output(parameter.id);
    e.add_output((Expr{&e, e.input(1)} + Expr{&e, e.input(0)}).id);
    e.add_output(parameter.id);
    ops::pointwise_into(
        {p, m}, e,
        {{.space = graph::Space::parameter, .offset = 1024},
         {.space = graph::Space::slot},
         {.space = graph::Space::copy}},
        {.keeps_finite = true, .dtypes = {DType::float32, DType::float32, DType::float16}});
    NodeRun run(graph, threads);
    auto before_p = noise(kElements), before_m = noise(kElements);
    before_p[20'009] = 3e37f;                                 // 100 p is infinite
    before_p[513] = std::numeric_limits<float>::quiet_NaN();  // both are NaN
    before_p[17] = 3e38f;                                     // m + p is infinite as well
    before_m[17] = 3e38f;
    before_p[7000] = 655.3f;  // the copy is infinite
    before_p[7001] = 655.1f;  // all is finite
    run.set(p, before_p);
    run.set(m, before_m);
    const auto& outputs = graph.nodes().back().outputs;
    run.alias(graph.value(outputs[0]), p);
    run.alias(graph.value(outputs[1]), m);
    const std::vector<std::uint16_t> before_copy(kElements, 0x1234);
    run.set(graph.value(outputs[2]), before_copy);
    run.run();
    const auto after_p = run.get(p), after_m = run.get(m);
    const auto copy = run.get<std::uint16_t>(graph.value(outputs[2]));
    for (std::size_t i = 0; i < kElements; ++i) {
      if (i == 17 || i == 513 || i == 7000 || i == 20'009) {
        EXPECT_EQ(std::memcmp(&after_p[i], &before_p[i], sizeof(float)), 0) << i;
        EXPECT_EQ(after_m[i], before_m[i]) << i;
        EXPECT_EQ(copy[i], 0x1234) << i;
      } else {
        ASSERT_EQ(after_p[i], before_p[i] * 100.0f) << i;
        ASSERT_EQ(after_m[i], before_m[i] + before_p[i]) << i;
        ASSERT_EQ(copy[i], float16(before_p[i] * 100.0f).bits) << i;
      }
    }
    EXPECT_EQ(run.scalars.overflow, plan::overflow_at(false, 1024 / 4 + 17));
  }
}

// ---- Threads ----

TEST_P(Pointwise, gives_the_same_bits_for_any_number_of_threads) {
  std::vector<float> first;
  for (const int threads : {1, 2, 3}) {
    Graph graph;
    const Value x = leaf(graph, {100, 1027}), b = leaf(graph, {1027});
    Expression e;
    e.add_output((tanh(Expr{&e, e.input(0)}) * Expr{&e, e.input(1)} +
                  pow(Expr{&e, e.input(0)}, Expr{&e, e.input(1)}))
                     .id);
    const Value y = ops::pointwise({x, b}, e).front();
    NodeRun run(graph, threads);
    run.set(x, noise(102700));
    run.set(b, noise(1027));
    run.run();
    auto bits = run.get(y);
    for (float& value : bits) value = std::isnan(value) ? 0.0f : value;
    if (threads == 1) first = bits;
    EXPECT_EQ(bits, first) << threads << " threads";
  }
}

TEST_P(Pointwise, leaves_an_empty_shape_alone) {
  Graph graph;
  const Value x = leaf(graph, {0, 4}), b = leaf(graph, {4});
  ops::map(x, b, [](Expr p, Expr q) { return p + q; });
  NodeRun(graph).run();
}

}  // namespace
}  // namespace stoker
