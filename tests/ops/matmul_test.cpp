// Op matmul: all transposes, both implementations of the CPU, bias and relu.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "backend/node_run.h"
#include "core/format.h"
#include "ops/cases.h"
#include "stoker/error.h"
#include "support/message.h"

namespace stoker {
namespace {

using cases::OpCase;
using cases::size;
using cases::Tensors;
using cases::uniform;
using cases::Values;
using graph::Expr;
using graph::Graph;
using graph::Value;

struct Product {
  std::int64_t m, k, n;
  bool transpose_a = false, transpose_b = false;
  bool bias = false, relu = false;
};

Tensors reference(const Product& p, const Tensors& in) {
  const std::size_t m = size(p.m), k = size(p.k), n = size(p.n);
  Values y(m * n);
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t l = 0; l < k; ++l) {
      const double a = in[0][p.transpose_a ? l * m + i : i * k + l];
      for (std::size_t j = 0; j < n; ++j) {
        y[i * n + j] += a * in[1][p.transpose_b ? j * k + l : l * n + j];
      }
    }
  }
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (p.bias) y[i] += in[2][i % n];
    if (p.relu && y[i] < 0.0) y[i] = 0.0;
  }
  return {y};
}

OpCase product(const Product& p) {
  OpCase c;
  c.name = format(p.m, "x", p.k, "x", p.n, p.transpose_a ? " a^T" : "", p.transpose_b ? " b^T" : "",
                  p.bias ? " bias" : "", p.relu ? " relu" : "");
  c.inputs = {uniform(p.transpose_a ? Shape{p.k, p.m} : Shape{p.m, p.k}),
              uniform(p.transpose_b ? Shape{p.n, p.k} : Shape{p.k, p.n})};
  if (p.bias) c.inputs.push_back(uniform({p.n}));
  c.build = [p](Graph&, std::span<const Value> in) {
    Value y = ops::matmul(in[0], in[1], p.transpose_a, p.transpose_b);
    if (p.bias) y = ops::add(y, in[2]);
    if (p.relu) y = ops::map(y, [](Expr x) { return graph::relu(x); });
    return std::vector{y};
  };
  c.reference = [p](const Tensors& in) { return reference(p, in); };
  c.terms = static_cast<double>(p.k + 1);
  c.gradient_terms = static_cast<double>(std::max(p.m, p.n) + 1);
  if (p.m * p.n * p.k > 200'000) c.samples = 2;
  // Beyond our own loops, oneDNN may cut the inner extent by the number of threads.
  c.sums_by_thread = p.m * p.n * p.k > 32 * 1024;
  c.fused = {"matmul"};
  return c;
}

// Products for each place of leading axes, which broadcast.
OpCase products(Shape a, Shape b, bool transpose_a = false, bool transpose_b = false) {
  OpCase c;
  c.name = format(a, transpose_a ? "^T" : "", " times ", b, transpose_b ? "^T" : "");
  c.inputs = {uniform(a), uniform(b)};
  c.build = [=](Graph&, std::span<const Value> in) {
    return std::vector{ops::matmul(in[0], in[1], transpose_a, transpose_b)};
  };
  const auto leading = [](const Shape& shape) {
    Shape first;
    for (std::size_t axis = 0; axis + 2 < shape.rank(); ++axis) first.push_back(shape[axis]);
    return first;
  };
  const Product one{.m = a[a.rank() - (transpose_a ? 1 : 2)],
                    .k = a[a.rank() - (transpose_a ? 2 : 1)],
                    .n = b[b.rank() - (transpose_b ? 2 : 1)],
                    .transpose_a = transpose_a,
                    .transpose_b = transpose_b};
  Shape all;
  const Shape first = leading(a), second = leading(b);
  for (std::size_t i = std::max(first.rank(), second.rank()); i > 0; --i) {
    const std::int64_t left = i > first.rank() ? 1 : first[first.rank() - i];
    const std::int64_t right = i > second.rank() ? 1 : second[second.rank() - i];
    all.push_back(std::max(left, right));
  }
  c.reference = [=](const Tensors& in) -> Tensors {
    Values y;
    for (std::size_t i = 0; i < size(all.elements()); ++i) {
      const auto matrix = [&](const Values& from, const Shape& places, std::size_t elements) {
        const std::size_t at = test::broadcast_index(places, all, i) * elements;
        return Values(from.begin() + static_cast<std::ptrdiff_t>(at),
                      from.begin() + static_cast<std::ptrdiff_t>(at + elements));
      };
      const Tensors product = reference(one, {matrix(in[0], first, size(one.m * one.k)),
                                              matrix(in[1], second, size(one.k * one.n))});
      y.insert(y.end(), product[0].begin(), product[0].end());
    }
    return {y};
  };
  c.terms = static_cast<double>(one.k + 1);
  c.gradient_terms = static_cast<double>((std::max(one.m, one.n) + 1) * all.elements());
  c.sums_by_thread = true;
  return c;
}

}  // namespace

std::vector<OpCase> cases::matmul_cases() {
  std::vector<OpCase> all;
  // 32^3 multiply-adds are the most that our own loops take.
  const std::array<std::array<std::int64_t, 3>, 12> sizes{{{1, 1, 1},
                                                           {1, 300, 1},
                                                           {1, 7, 3},
                                                           {5, 1, 9},
                                                           {300, 3, 1},
                                                           {17, 13, 11},
                                                           {31, 33, 32},
                                                           {32, 32, 32},
                                                           {33, 32, 32},
                                                           {1, 257, 131},
                                                           {300, 16, 7},
                                                           {65, 129, 77}}};
  for (const auto& [m, k, n] : sizes) {
    for (const bool transpose_a : {false, true}) {
      for (const bool transpose_b : {false, true}) {
        all.push_back(product({m, k, n, transpose_a, transpose_b}));
      }
    }
  }
  for (const auto& [m, k, n] : {sizes[0], sizes[2], sizes[7], sizes[8], sizes[11]}) {
    all.push_back(product({.m = m, .k = k, .n = n, .bias = true}));
    all.push_back(product({.m = m, .k = k, .n = n, .relu = true}));
    all.push_back(product({.m = m, .k = k, .n = n, .bias = true, .relu = true}));
  }
  all.push_back(
      product({.m = 19, .k = 21, .n = 23, .transpose_a = true, .transpose_b = true, .bias = true}));
  all.push_back(product({.m = 300, .k = 299, .n = 37, .bias = true, .relu = true}));
  all.push_back(products({3, 4, 5}, {3, 5, 2}));
  all.push_back(products({2, 3, 4, 5}, {2, 3, 6, 5}, false, true));
  all.push_back(products({3, 5, 4}, {3, 5, 2}, true));
  all.push_back(products({2, 7, 3}, {2, 5, 7}, true, true));
  all.push_back(products({2, 1, 3, 4}, {5, 4, 2}));
  all.push_back(products({3, 4}, {2, 4, 5}));
  all.push_back(products({2, 3, 4, 5}, {5, 6}));
  all.push_back(products({4, 16, 24}, {4, 24, 16}));
  all.push_back(products({2, 1, 17, 24}, {1, 3, 20, 24}, false, true));
  return all;
}

namespace {

TEST(MatMul, agrees_with_the_reference_on_every_instruction_set) {
  for (const std::string& isa : test::isas()) {
    SCOPED_TRACE(isa);
    setenv("STOKER_CPU_ISA", isa.c_str(), 1);
    for (const auto& c : cases::matmul_cases()) test::check_forward(c);
    unsetenv("STOKER_CPU_ISA");
  }
}

TEST(MatMul, names_the_matrices_that_do_not_fit) {
  Graph graph;
  const Value a = graph.leaf("a", {DType::float32, {2, 3}}, {});
  const Value b = graph.leaf("b", {DType::float32, {4, 5}}, {});
  const Value vector = graph.leaf("v", {DType::float32, {4}}, {});
  const Value batch = graph.leaf("c", {DType::float32, {4, 1, 5}}, {});
  const Value image = graph.leaf("x", {DType::float32, {2, 3, 3, 1}}, {});
  const graph::Scope scope(graph, {graph::Origin::Kind::layer, "Dense \"logits\""});
  EXPECT_EQ(test::message_of<ShapeError>([&] { ops::matmul(a, b); }),
            "Dense \"logits\": matmul: inner extents differ: (2, 3) and (4, 5)");
  EXPECT_EQ(test::message_of<ShapeError>([&] { ops::matmul(a, b, true, false); }),
            "Dense \"logits\": matmul: inner extents differ: (2, 3)^T and (4, 5)");
  EXPECT_EQ(test::message_of<ShapeError>([&] { ops::matmul(image, b); }),
            "Dense \"logits\": matmul: inner extents differ: (2, 3, 3, 1) and (4, 5)");
  EXPECT_EQ(test::message_of<ShapeError>([&] { ops::matmul(vector, b); }),
            "Dense \"logits\": matmul: expected matrices, which have two axes or more, received "
            "(4,) and (4, 5)");
  EXPECT_EQ(test::message_of<ShapeError>([&] { ops::matmul(image, batch); }),
            "Dense \"logits\": matmul: leading extents do not broadcast: (2, 3, 3, 1) and "
            "(4, 1, 5)");
}

// Only unfused: oneDNN's own relu, which a fused one is, makes 0 of NaN.
TEST(MatMul, hands_nan_through_an_unfused_relu) {
  for (const std::int64_t n : {3, 64}) {
    const OpCase c = product({.m = n, .k = n, .n = n, .bias = true, .relu = true});
    Tensors inputs = test::draw_inputs(c);
    inputs[0][0] = std::nan("");
    const auto run = test::run_case(c, inputs, {.optimize = false});
    EXPECT_TRUE(std::isnan(run.outputs[0][0])) << n << "x" << n << ": " << run.outputs[0][0];
  }
}

}  // namespace
}  // namespace stoker
