// The launches that the tests of generated code run and compile.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/cuda/codegen_case.h"
#include "backend/cuda/codegen_reduce_cases.h"
#include "core/format.h"

namespace stoker::test {

inline Value append_pointwise(LaunchCase& c, std::vector<Value> inputs, const Expression& e,
                              DType dtype, Shape shape) {
  auto attributes = std::make_shared<ops::PointwiseAttributes>();
  attributes->expression = e;
  return c.graph
      .append(ops::op(ops::OpIndex::pointwise), std::move(inputs), attributes, {{dtype, shape}})
      .front();
}

// ---- The functions of ExprOp, at numbers that are hard for them ----

inline void add_unary_functions(LaunchCases& cases) {
  const double infinity = std::numeric_limits<double>::infinity();
  std::vector<double> points{0.0, -0.0, infinity, -infinity, std::nan(""), 1e-45, -1e-40};
  for (int i = 0; i < 400; ++i) {
    points.push_back(std::pow(10.0, -44.0 + 82.0 * i / 400));
    points.push_back(-points.back());
  }
  for (int i = -600; i <= 600; ++i) points.push_back(i * 0.1771);
  for (double& point : points) point = static_cast<float>(point);
  LaunchCase& c = add_case(cases, "unary functions");
  c.ulps = 3.0;
  const Value x = c.leaf({static_cast<std::int64_t>(points.size())});
  c.set(x, points);
  for (int op = static_cast<int>(ExprOp::neg); op <= static_cast<int>(ExprOp::to_float16); ++op) {
    ops::map(x, [&](Expr e) { return graph::apply(static_cast<ExprOp>(op), e); });
  }
}

inline void add_binary_functions(LaunchCases& cases) {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> points{0.0,  -0.0,  1.0,    -1.0,     2.0,       -2.0,        0.5,
                                   3.0,  -3.0,  7.0,    1e-5,     0.1,       0.999,       1.001,
                                   1.7,  -1.25, 12.5,   100.0,    5e6,       3e9,         -33.3,
                                   1e10, 1e30,  -1e-40, infinity, -infinity, std::nan("")};
  std::vector<double> a, b;
  for (const double x : points) {
    for (const double y : points) {
      a.push_back(static_cast<float>(x));
      b.push_back(static_cast<float>(y));
    }
  }
  LaunchCase& c = add_case(cases, "binary functions");
  c.ulps = 2.0;
  const Value x = c.leaf({static_cast<std::int64_t>(a.size())}), y = c.leaf(x.shape());
  c.set(x, a);
  c.set(y, b);
  for (int op = static_cast<int>(ExprOp::add); op <= static_cast<int>(ExprOp::equal); ++op) {
    ops::map(x, y, [&](Expr p, Expr q) { return graph::apply(static_cast<ExprOp>(op), p, q); });
  }
  ops::map(x, y, [](Expr p, Expr q) { return select(p, q, p * q); });
  // Constants that have no decimal literal, and ones that need all their digits.
  ops::map(x, y, [&](Expr p, Expr q) {
    return max(p, std::numeric_limits<float>::infinity()) + min(q, 1e-41f) * 0.1f + 16777215.0f;
  });
  ops::map(x, y, [](Expr p, Expr q) { return select(less(p, q), p * -0.3f, p - 3e38f); });
}

// ---- Shapes, types, memory ----

inline void add_lengths(LaunchCases& cases) {
  LaunchCase& c = add_case(cases, "lengths");
  for (const std::int64_t n : {0, 1, 2, 3, 4, 5, 7, 8, 1000, 1023, 1024, 4099}) {
    const Value x = c.leaf({n}), y = c.leaf({n});
    c.fill(x, 2.0f);
    c.fill(y, 2.0f, 7);
    ops::map(x, y, [](Expr a, Expr b) { return tanh(a) * b + exp(b) * 0.25f - a; });
  }
  // More than one round of all blocks.
  LaunchCase& many = add_case(cases, "a million elements");
  const Value x = many.leaf({1'060'003}, DType::uint8);
  many.fill(x);
  ops::map(x, [](Expr a) { return a * (1.0f / 256.0f); });
}

inline void add_broadcasts(LaunchCases& cases) {
  const std::vector<std::vector<Shape>> shapes{
      {{6, 5}, {5}, {}},           {{300, 7}, {7}, {300, 1}},
      {{3, 1}, {1, 4}, {1}},       {{2, 3, 4, 5}, {3, 1, 5}, {1, 3, 4, 1}},
      {{40, 600}, {600}, {40, 1}}, {{5, 513}, {1, 513}, {5, 1}},
      {{128, 32}, {32}, {1, 1}},   {{7, 1, 9}, {1, 6, 1}, {6, 9}},
      {{1}, {1, 1}, {}},           {{2, 700, 3}, {2, 1, 3}, {700, 1}},
      {{1000, 1}, {1}, {1000, 2}}, {{}, {}, {}},
      {{0, 4}, {4}, {1, 1}},       {{2, 3, 8, 4}, {2, 1, 8, 1}, {3, 1, 4}}};
  for (const auto& s : shapes) {
    LaunchCase& c = add_case(
        cases, "broadcast " + to_string(s[0]) + " " + to_string(s[1]) + " " + to_string(s[2]));
    std::vector<Value> inputs;
    for (const Shape& shape : s) {
      inputs.push_back(c.leaf(shape));
      c.fill(inputs.back(), 1.0f, static_cast<std::uint32_t>(5 * inputs.size()));
    }
    ops::map(inputs[0], inputs[1], inputs[2],
             [](Expr x, Expr y, Expr z) { return x * 2.0f - y / (2.0f + z * z); });
  }
}

inline void add_types(LaunchCases& cases) {
  LaunchCase& c = add_case(cases, "inputs of every type");
  const std::vector<Value> inputs{
      c.leaf({700, 3}, DType::int32),   c.leaf({700, 3}, DType::uint8),
      c.leaf({3}, DType::bfloat16),     c.leaf({700, 1}, DType::float16),
      c.leaf({}, DType::int32),         c.leaf({700, 3}, DType::float16),
      c.leaf({700, 3}, DType::bfloat16)};
  for (const Value& input : inputs) {
    // Halves reach down to the denormal ones.
    c.fill(input, input.dtype() == DType::float16 ? 1e-3f : 1.0f,
           static_cast<std::uint32_t>(input.id) + 3);
    Expression e;
    e.add_output(e.input(0));
    append_pointwise(c, {input}, e, DType::float32, {700, 3});
  }
  c.is_exact = true;

  for (const DType dtype : {DType::int32, DType::uint8, DType::bfloat16, DType::float16}) {
    std::vector<double> x{0.0,  -2.5, 254.9,   3e9, -3e9, 65504.0, 65520.0,     1e-7,
                          3e-8, 6e-5, 2.0e-45, 1e6, 1e38, -0.25,   std::nan("")};
    for (const double sign : {1.0, -1.0}) {
      x.push_back(sign * std::numeric_limits<double>::infinity());
    }
    for (const float value : noise(500, 300.0f)) x.push_back(value);
    for (double& value : x) value = static_cast<float>(value);
    LaunchCase& writing = add_case(cases, format("writes ", dtype));
    writing.is_exact = true;
    const Value input = writing.leaf({static_cast<std::int64_t>(x.size())});
    writing.set(input, x);
    Expression e;
    e.add_output(e.input(0));
    append_pointwise(writing, {input}, e, dtype, input.shape());
  }
}

inline void add_in_place(LaunchCases& cases) {
  for (const std::int64_t n : {5, 600, 5003}) {
    LaunchCase& c = add_case(cases, format("three updates of ", n));
    std::vector<Value> in;
    for (std::uint32_t i = 0; i < 4; ++i) {
      in.push_back(c.leaf({n}));
      c.fill(in.back(), 1.0f, i + 1);
    }
    Expression e;
    const Expr p{&e, e.input(0)}, g{&e, e.input(1)}, m{&e, e.input(2)}, v{&e, e.input(3)};
    const Expr new_m = m + (g - m) * 0.1f;
    const Expr new_v = v + (g * g - v) * 0.001f;
    e.add_output((p - new_m / (sqrt(abs(new_v)) + 1e-1f) + m * v).id);
    e.add_output((new_m + p * 0.5f).id);
    e.add_output((new_v - p).id);
    const auto outputs = ops::pointwise(in, e);
    c.alias(outputs[0], in[0]);
    c.alias(outputs[1], in[2]);
    c.alias(outputs[2], in[3]);
  }
  LaunchCase& c = add_case(cases, "swaps two values in place");
  c.is_exact = true;
  const Value a = c.leaf({700}), b = c.leaf({700});
  for (const Value& value : {a, b}) {
    c.graph.info(value.id).home = {};  // to the CPU's kernel: anything may lie anywhere
    c.fill(value, 1.0f, static_cast<std::uint32_t>(value.id));
  }
  Expression e;
  e.add_output(e.input(1));
  e.add_output(e.input(0));
  const auto outputs = ops::pointwise({a, b}, e);
  c.alias(outputs[0], a);
  c.alias(outputs[1], b);
}

// Totals of an epoch: scalars, at multiples of four bytes.
inline void add_unaligned(LaunchCases& cases) {
  LaunchCase& totals = add_case(cases, "metrics");
  Expression e;
  std::vector<Value> inputs;
  for (int i = 0; i < 4; i += 2) {
    inputs.push_back(totals.leaf({}, DType::float32, 4 * i));
    inputs.push_back(totals.leaf({}));
    totals.set(inputs[inputs.size() - 2], {1.5 + i});
    totals.set(inputs.back(), {2.25 * i});
    e.add_output((Expr{&e, e.input(i)} + Expr{&e, e.input(i + 1)} * 32.0f).id);
  }
  const auto outputs = ops::pointwise(inputs, e);
  for (std::size_t i = 0; i < 2; ++i) totals.alias(outputs[i], inputs[2 * i]);

  LaunchCase& c = add_case(cases, "unaligned homes");
  const Value x = c.leaf({8, 40}, DType::float32, 4), b = c.leaf({40}, DType::float32, 8),
              u = c.leaf({8, 40}, DType::uint8, 2);
  for (const Value& value : {x, b, u}) c.fill(value);
  const Value y =
      ops::map(x, b, u, [](Expr p, Expr q, Expr r) { return p * q + r * (1.0f / 256.0f); });
  c.graph.place(y, {graph::Space::state, 0, 12});
  ops::reduce_sum(x, {1});
}

// ---- Random numbers, ranges, guards ----

inline Expr uniform_of(Expression& e, std::int32_t stream) {
  return {&e, e.append({.op = ExprOp::uniform, .index = stream})};
}

inline void add_random(LaunchCases& cases) {
  for (const std::int64_t n : {1, 6, 1000, 40'003}) {
    LaunchCase& c = add_case(cases, format("dropout of ", n));
    c.is_exact = true;
    c.scalars.seed = 0x1234567890abcdefU;
    c.scalars.step = 77;
    const Value x = c.leaf({n});
    c.fill(x);
    Expression e;
    const Expr keep = less(uniform_of(e, 0x7fffffff), 0.3f);
    e.add_output(select(keep, Expr{&e, e.constant(0.0f)}, Expr{&e, e.input(0)}).id);
    e.add_output(uniform_of(e, 3).id);
    ops::pointwise({x}, e);
  }
  LaunchCase& sum = add_case(cases, "mean after dropout");
  sum.scalars.seed = 5;
  const Value x = sum.leaf({33, 50});
  sum.fill(x);
  Expression e;
  e.add_output(
      select(less(uniform_of(e, 4), 0.5f), Expr{&e, e.input(0)} * 2.0f, Expr{&e, e.constant(0.0f)})
          .id);
  ops::reduce(ops::ReduceKind::sum, {x}, e, {0}, false, 1.0f / 33.0f);
}

inline LaunchCase& add_range_case(LaunchCases& cases, std::string name, std::int64_t elements,
                                  std::vector<ops::Range> ranges, ops::Guard guard) {
  LaunchCase& c = add_case(cases, std::move(name));
  c.scalars.seed = 11;
  const Value x = c.leaf({elements});
  if (elements < (1 << 20)) c.fill(x);
  Expression e;
  const Expr range{&e, e.append({.op = ExprOp::range_value})};
  e.add_output((Expr{&e, e.input(0)} * range + uniform_of(e, 1)).id);
  ops::pointwise_into({x}, e, {{graph::Space::parameter, 0, 0}},
                      {.ranges = std::move(ranges), .guard = guard});
  c.alias(c.graph.value(c.graph.nodes().back().outputs[0]), x);
  return c;
}

inline void add_ranges(LaunchCases& cases) {
  add_range_case(cases, "one range", 5000, {{64, 4000, 2.0f}}, ops::Guard::none);
  add_range_case(cases, "one range in the middle of units", 5000, {{63, 4000, 2.0f}},
                 ops::Guard::none);
  const std::vector<ops::Range> few{
      {3, 10, 2.0f}, {64, 1, -1.0f}, {65, 2, 3.0f}, {1001, 9000, 0.5f}};
  add_range_case(cases, "four ranges", 20'000, few, ops::Guard::none);
  for (const ops::Guard guard : {ops::Guard::error, ops::Guard::update}) {
    const std::string name = guard == ops::Guard::error ? "guarded" : "guarded update";
    add_range_case(cases, name, 20'000, few, guard);
    add_range_case(cases, name + " after an error", 20'000, few, guard).scalars.error =
        plan::StepError::non_finite_loss;
    add_range_case(cases, name + " that is skipped", 20'000, few, guard).scalars.skips_update = 1;
  }
  std::vector<ops::Range> many;
  for (std::int64_t i = 0; i < 40; ++i) {
    many.push_back({i * 200, 1 + i * 5 % 199, 0.25f * static_cast<float>(i)});
  }
  add_range_case(cases, "forty ranges", 8000, many, ops::Guard::error);
  // Beyond what 32 bits count.
  constexpr std::int64_t kFar = (std::int64_t{1} << 32) + 6;
  add_range_case(cases, "64-bit indices", kFar + 100, {{kFar, 31, 2.0f}, {8, 12, 0.5f}},
                 ops::Guard::none);
}

// An update that overflows here and there, of a parameter, a slot and a copy of the parameter.
inline LaunchCase& add_finite_case(LaunchCases& cases, std::string name, std::int64_t elements,
                                   std::vector<ops::Range> ranges, DType copy) {
  LaunchCase& c = add_case(cases, std::move(name));
  c.scalars.seed = 7;
  const Value p = c.leaf({elements}), m = c.leaf({elements});
  c.fill(p);
  c.fill(m);
  Expression e;
  const Expr u = uniform_of(e, 2);
  const Expr big = select(less(u, 0.01f), Expr{&e, e.constant(3e38f)}, Expr{&e, e.constant(1.0f)});
  const Expr large = select(less(u, 0.02f), Expr{&e, e.constant(7e4f)}, big);
  const Expr parameter = Expr{&e, e.input(0)} * large * 100.0f;
  e.add_output(parameter.id);
  e.add_output((Expr{&e, e.input(1)} + large).id);
  e.add_output(parameter.id);
  ops::pointwise_into(
      {p, m}, e,
      {{graph::Space::parameter, 0, 0}, {graph::Space::slot, 0, 0}, {graph::Space::copy, 0, 0}},
      {.ranges = std::move(ranges),
       .guard = ops::Guard::error,
       .keeps_finite = true,
       .dtypes = {DType::float32, DType::float32, copy}});
  const auto& outputs = c.graph.nodes().back().outputs;
  c.alias(c.graph.value(outputs[0]), p);
  c.alias(c.graph.value(outputs[1]), m);
  return c;
}

inline void add_finite(LaunchCases& cases) {
  const std::vector<ops::Range> few{{3, 10, 2.0f}, {64, 1, -1.0f}, {1001, 3999, 0.5f}};
  for (const DType copy : {DType::float32, DType::bfloat16, DType::float16}) {
    add_finite_case(cases, "finite " + std::string(name_of(copy)), 5000, {{0, 5000, 0.0f}}, copy);
    add_finite_case(cases, "finite in ranges " + std::string(name_of(copy)), 5001, few, copy);
  }
  add_finite_case(cases, "finite after an error", 5001, few, DType::float16).scalars.error =
      plan::StepError::non_finite_loss;
}

// ---- Anything ----

// Numbers that depend on nothing but how many were drawn.
class CaseDraws {
 public:
  int below(int n) {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<int>((state_ >> 33) % static_cast<std::uint64_t>(n));
  }

 private:
  std::uint64_t state_ = 42;
};

// Smooth functions that keep their arguments within [-2, 2], so that float32 stays close.
inline Expr random_term(CaseDraws& draws, const std::vector<Expr>& terms) {
  const auto any = [&] { return terms[static_cast<std::size_t>(draws.below(int(terms.size())))]; };
  const Expr a = any(), b = any(), c = any();
  switch (draws.below(11)) {
    case 0:
      return tanh(a + b);
    case 1:
      return sigmoid(a) * b;
    case 2:
      return exp(a * -0.5f) * 0.5f;
    case 3:
      return log1p(square(a)) - b * 0.25f;
    case 4:
      return relu(a) * 0.5f;
    case 5:
      return max(a, b) * 0.5f + min(b, c) * 0.5f;
    case 6:
      return sqrt(abs(a) + 0.5f);
    case 7:
      return reciprocal(square(b) + 1.0f);
    case 8:
      return apply(ExprOp::sin, a * 2.0f) + erf(c) * 0.5f;
    case 9:
      return a * 0.5f - b * 0.25f;
    default:
      return apply(ExprOp::cos, a) * sign(terms[0]);
  }
}

inline void add_random_expressions(LaunchCases& cases) {
  CaseDraws draws;
  const DType types[] = {DType::float32, DType::float32, DType::float32, DType::float16,
                         DType::bfloat16};
  for (int number = 0; number < 24; ++number) {
    LaunchCase& c = add_case(cases, format("random launch ", number));
    for (int node = 0; node <= number % 4; ++node) {
      Shape full;
      for (int axis = draws.below(4); axis >= 0; --axis) full.push_back(1 + draws.below(12));
      if (draws.below(2) == 0) full[full.rank() - 1] *= 4;
      std::vector<Value> inputs;
      Expression e;
      std::vector<Expr> terms;
      const int count = 1 + draws.below(4);
      for (int i = 0; i < count; ++i) {
        Shape shape;
        const int missing = i == 0 ? 0 : draws.below(static_cast<int>(full.rank()) + 1);
        for (auto axis = static_cast<std::size_t>(missing); axis < full.rank(); ++axis) {
          shape.push_back(i > 0 && draws.below(3) == 0 ? 1 : full[axis]);
        }
        inputs.push_back(c.leaf(shape, types[draws.below(5)]));
        c.fill(inputs.back(), 1.0f, static_cast<std::uint32_t>(draws.below(1000)));
        terms.push_back({&e, e.input(i)});
      }
      for (int i = 3 + draws.below(6); i > 0; --i) terms.push_back(random_term(draws, terms));
      e.add_output(terms.back().id);
      if (draws.below(2) == 0) {
        std::vector<std::int64_t> axes;
        for (std::size_t axis = 0; axis < full.rank(); ++axis) {
          if (draws.below(2) == 0) axes.push_back(static_cast<std::int64_t>(axis));
        }
        ops::reduce(ops::ReduceKind::sum, inputs, e, axes);
      } else {
        e.add_output(terms[terms.size() / 2].id);
        ops::pointwise(inputs, e);
      }
    }
  }
}

// Different kinds of nodes side by side.
inline void add_mixed(LaunchCases& cases) {
  LaunchCase& c = add_case(cases, "mixed");
  c.scalars.step = 3;
  const Value x = c.leaf({512, 96}), b = c.leaf({96}), rows = c.leaf({512, 1});
  const Value big = c.leaf({9, 20'000});
  for (const Value& value : {x, b, rows, big}) c.fill(value);
  ops::map(x, b, rows, [](Expr p, Expr q, Expr r) { return relu(p * q + r); });
  ops::reduce_sum(x, {0});
  ops::reduce_mean(x, {1});
  ops::reduce_sum_all(x);
  ops::reduce_sum(big, {1});
  ops::reduce_sum_all(big);
  ops::reduce(ops::ReduceKind::max, big, {0, 1});
  ops::fill(c.graph, {7, 3}, 0.5f);
  ops::broadcast_to(rows, {3, 512, 4});
}

// Code of every kind once: what compilers for GPUs are shown, each of which takes its time.
inline LaunchCases launch_cases_of_every_kind() {
  LaunchCases cases;
  add_unary_functions(cases);
  add_binary_functions(cases);
  add_types(cases);
  add_unaligned(cases);
  add_ranges(cases);
  add_finite(cases);
  add_mixed(cases);
  return cases;
}

inline LaunchCases launch_cases() {
  LaunchCases cases;
  add_unary_functions(cases);
  add_binary_functions(cases);
  add_lengths(cases);
  add_broadcasts(cases);
  add_types(cases);
  add_in_place(cases);
  add_unaligned(cases);
  add_random(cases);
  add_ranges(cases);
  add_finite(cases);
  add_reductions(cases);
  add_long_sums(cases);
  add_random_expressions(cases);
  add_mixed(cases);
  return cases;
}

}  // namespace stoker::test
