// Op pointwise: its arithmetic and derivatives, and every kind of broadcasting.
#include <gtest/gtest.h>

#include <cmath>

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
using cases::spread;
using cases::Tensors;
using cases::uniform;
using cases::Values;
using cases::whole;
using graph::Expr;
using graph::Expression;
using graph::ExprOp;
using graph::Graph;
using graph::Value;

using Function = std::function<std::vector<Expr>(std::span<const Expr>)>;

Shape broadcast_shape(const std::vector<OpInput>& inputs) {
  Graph graph;
  std::vector<Value> leaves;
  for (const OpInput& input : inputs)
    leaves.push_back(graph.leaf("x", {input.dtype, input.shape}, {}));
  return ops::broadcast({}, leaves);
}

OpCase arithmetic(std::string name, std::vector<OpInput> inputs, const Function& f) {
  OpCase c;
  c.name = std::move(name);
  Expression expression;
  std::vector<Expr> in;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    in.push_back({&expression, expression.input(static_cast<int>(i))});
  }
  for (const Expr& output : f(in)) expression.add_output(output.id);
  c.inputs = std::move(inputs);
  c.differentiable_outputs = expression.outputs().size();
  c.build = [expression](Graph&, std::span<const Value> values) {
    return ops::pointwise({values.begin(), values.end()}, expression);
  };
  const Shape shape = broadcast_shape(c.inputs);
  c.reference = [expression, shape, own = c.inputs](const Tensors& tensors) {
    Tensors outputs(expression.outputs().size(), Values(size(shape.elements())));
    for (std::size_t i = 0; i < outputs[0].size(); ++i) {
      Values elements;
      for (std::size_t k = 0; k < tensors.size(); ++k) {
        elements.push_back(tensors[k][test::broadcast_index(own[k].shape, shape, i)]);
      }
      const auto results = test::evaluate(expression, elements, {.element = i});
      for (std::size_t k = 0; k < results.size(); ++k) outputs[k][i] = results[k];
    }
    return outputs;
  };
  // A few operations an element; a gradient is summed over what an input was broadcast to.
  c.terms = 8.0;
  c.magnitude = 2.0;
  c.gradient_magnitude = 4.0;
  for (const OpInput& input : c.inputs) {
    const auto copies =
        static_cast<double>(shape.elements() / std::max<std::int64_t>(1, input.shape.elements()));
    c.gradient_terms = std::max(c.gradient_terms, copies);
    c.gradient_magnitude = std::max(*c.gradient_magnitude, 4.0 * std::sqrt(copies));
  }
  if (shape.elements() > 20'000) c.samples = 4;
  c.fused = {"pointwise"};
  return c;
}

OpCase unary(ExprOp op, double low, double high) {
  return arithmetic(name_of(op), {uniform({37}, low, high)},
                    [op](auto in) { return std::vector{graph::apply(op, in[0])}; });
}

OpCase binary(ExprOp op, double low, double high) {
  return arithmetic(name_of(op), {spread({29}, low, high), spread({29}, low + 0.003, high)},
                    [op](auto in) { return std::vector{graph::apply(op, in[0], in[1])}; });
}

// x y + x, so that both gradients need both values.
OpCase broadcasting(const std::vector<Shape>& shapes) {
  std::vector<OpInput> inputs;
  std::string name = "broadcast";
  for (const Shape& shape : shapes) {
    inputs.push_back(uniform(shape, 0.3, 1.4));
    name += " " + to_string(shape);
  }
  return arithmetic(name, inputs, [](std::span<const Expr> in) {
    Expr product = in[0];
    for (const Expr& factor : in.subspan(1)) product = product * factor;
    return std::vector{product + in[0]};
  });
}

}  // namespace

std::vector<OpCase> cases::pointwise_cases() {
  std::vector<OpCase> all{unary(ExprOp::neg, -2, 2),         unary(ExprOp::abs, -2, 2),
                          unary(ExprOp::exp, -3, 1.5),       unary(ExprOp::expm1, -2, 1.5),
                          unary(ExprOp::log, 0.3, 4),        unary(ExprOp::log1p, -0.6, 4),
                          unary(ExprOp::sqrt, 0.3, 9),       unary(ExprOp::rsqrt, 0.5, 9),
                          unary(ExprOp::reciprocal, 0.5, 4), unary(ExprOp::tanh, -3, 3),
                          unary(ExprOp::sigmoid, -5, 5),     unary(ExprOp::relu, -2, 2),
                          unary(ExprOp::erf, -2, 2),         unary(ExprOp::sin, -3, 3),
                          unary(ExprOp::cos, -3, 3),         unary(ExprOp::sign, -2, 2),
                          unary(ExprOp::floor, -2, 2),       binary(ExprOp::add, -2, 2),
                          binary(ExprOp::sub, -2, 2),        binary(ExprOp::mul, -2, 2),
                          binary(ExprOp::div, 0.5, 3),       binary(ExprOp::minimum, -2, 2),
                          binary(ExprOp::maximum, -2, 2),    binary(ExprOp::pow, 0.5, 2),
                          binary(ExprOp::less, -2, 2),       binary(ExprOp::less_equal, -2, 2)};
  for (const std::vector<Shape>& shapes :
       std::vector<std::vector<Shape>>{{{}, {}},
                                       {{3, 4}, {}},
                                       {{}, {3, 4}},
                                       {{1}, {7}},
                                       {{3, 4}, {4}},
                                       {{4}, {3, 4}},
                                       {{3, 4}, {3, 1}},
                                       {{3, 1}, {1, 4}},
                                       {{2, 3, 5}, {2, 1, 5}},
                                       {{2, 3, 5}, {3, 1}},
                                       {{2, 1, 5}, {4, 1}},
                                       {{1, 3, 1}, {2, 1, 5}},
                                       {{2, 1, 3, 1, 2}, {5, 1, 4, 1}},
                                       {{2, 3}, {3}, {2, 1}, {}},
                                       {{70, 33}, {70, 1}},
                                       {{33}, {70, 33}},
                                       {{300, 1, 70}, {1, 5, 70}},
                                       {{64, 1000}, {1000}},
                                       {{64, 1000}, {64, 1}}}) {
    all.push_back(broadcasting(shapes));
  }
  all.push_back(arithmetic("one input twice", {uniform({11})},
                           [](auto in) { return std::vector{in[0] * in[0] + graph::exp(in[0])}; }));
  all.push_back(arithmetic("two outputs", {uniform({3, 5}), uniform({5})}, [](auto in) {
    const Expr product = in[0] * in[1];
    return std::vector{graph::tanh(product), product - in[0]};
  }));
  all.push_back(arithmetic("select", {uniform({40}), uniform({40}), uniform({40})}, [](auto in) {
    return std::vector{graph::select(graph::less(in[0], 0.1f), in[1], in[2] * 2.0f)};
  }));
  all.push_back(arithmetic(
      "int32 and uint8",
      {uniform({4, 6}), whole({4, 1}, DType::int32, -9, 9), whole({6}, DType::uint8, 0, 255)},
      [](auto in) { return std::vector{in[0] * in[1] + in[2] * (1.0f / 255.0f)}; }));
  // Dropout: the same numbers forwards and backwards.
  all.push_back(arithmetic("uniform", {uniform({1000})}, [](auto in) {
    Expression& e = *in[0].expression;
    const Expr random{&e, e.append({.op = ExprOp::uniform, .index = 17})};
    return std::vector{
        graph::select(graph::less(random, 0.3f), Expr{&e, e.constant(0.0f)}, in[0] / 0.7f)};
  }));
  return all;
}

namespace {

TEST(Pointwise, fills_and_broadcasts) {
  OpCase c;
  c.name = "fill and broadcast";
  c.inputs = {uniform({3, 1})};
  c.build = [](Graph& graph, std::span<const Value> in) {
    return std::vector{ops::fill(graph, {2, 3}, 0.5f), ops::broadcast_to(in[0], {2, 3, 4})};
  };
  c.reference = [](const Tensors& in) -> Tensors {
    Values wide;
    for (std::size_t i = 0; i < 24; ++i) wide.push_back(in[0][i / 4 % 3]);
    return {Values(6, 0.5), wide};
  };
  c.terms = 0.0;
  c.differentiable_outputs = 2;
  test::check_forward(c);
  test::check_gradients(c);
  test::check_unfused(c);
}

TEST(Pointwise, becomes_one_node_with_its_chain) {
  OpCase c;
  c.name = "chain";
  c.inputs = {uniform({5, 7}), uniform({7}), uniform({5, 1})};
  c.build = [](Graph&, std::span<const Value> in) {
    const Value sum = ops::add(in[0], in[1]);
    const Value bent = ops::map(sum, [](Expr x) { return graph::tanh(x); });
    const Value scaled = ops::multiply(bent, in[2]);
    return std::vector{ops::add(scaled, sum)};
  };
  c.reference = [](const Tensors& in) -> Tensors {
    Values y;
    for (std::size_t i = 0; i < 35; ++i) {
      const double sum = in[0][i] + in[1][i % 7];
      y.push_back(std::tanh(sum) * in[2][i / 7] + sum);
    }
    return {y};
  };
  c.magnitude = 2.0;
  c.gradient_magnitude = 8.0;
  // The sum has two readers, so it is written; the other two are not.
  c.fused = {"pointwise", "pointwise"};
  test::check_forward(c);
  test::check_gradients(c);
  test::check_unfused(c);
}

TEST(Pointwise, names_shapes_that_do_not_broadcast) {
  Graph graph;
  const Value a = graph.leaf("a", {DType::float32, {3, 4}}, {});
  const Value b = graph.leaf("b", {DType::float32, {3}}, {});
  const graph::Scope scope(graph, {graph::Origin::Kind::layer, "Add \"sum\""});
  EXPECT_EQ(test::message_of<ShapeError>([&] { ops::add(a, b); }),
            "Add \"sum\": shapes (3, 4) and (3,) do not broadcast");
}

}  // namespace
}  // namespace stoker
