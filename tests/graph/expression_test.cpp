// Expressions as data: what is folded, how they splice, and the derivative of every op.
#include "graph/expression.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "support/expression_reference.h"

namespace stoker::graph {
namespace {

struct Built {
  Expression expression;
  Expr x = {&expression, expression.input(0)};
  Expr y = {&expression, expression.input(1)};

  std::string text(Expr output) {
    expression.add_output(output.id);
    return expression.compacted(nullptr).text();
  }
};

TEST(Expression, prints_as_a_tree) {
  Built b;
  EXPECT_EQ(b.text(apply(ExprOp::relu, b.x + b.y)), "relu(add(x0, x1))");
}

TEST(Expression, is_made_of_a_function) {
  const Expression sum = expression_of<3>([](Expr a, Expr b, Expr c) { return relu(a + b) * c; });
  EXPECT_EQ(sum.text(), "mul(x2, relu(add(x0, x1)))");
  EXPECT_EQ(sum.input_count(), 3);
  EXPECT_EQ(identity().text(), "x0");
}

TEST(Expression, equals_another_of_the_same_instructions) {
  const auto scaled = [](float by) { return expression_of<1>([&](Expr x) { return x * by; }); };
  EXPECT_EQ(scaled(2.0f), scaled(2.0f));
  EXPECT_FALSE(scaled(2.0f) == scaled(3.0f));
  const auto plus = [](float by) {
    return expression_of<1>([&](Expr x) {
      return select(x, x, Expr{x.expression, x.expression->constant(by)});
    });
  };
  EXPECT_FALSE(plus(0.0f) == plus(-0.0f));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(plus(nan), plus(nan));
}

TEST(Expression, prints_a_shared_term_once) {
  Built b;
  const Expr term = exp(b.x);
  EXPECT_EQ(b.text(term / (term + 1.0f)), "div(%1=exp(x0), add(%1, 1))");
}

TEST(Expression, separates_outputs_by_semicolons) {
  Built b;
  b.expression.add_output((b.x + b.y).id);
  b.expression.add_output(b.y.id);
  EXPECT_EQ(b.expression.text(), "add(x0, x1); x1");
}

TEST(Expression, finds_an_instruction_that_is_there) {
  Built b;
  EXPECT_EQ((b.x * b.y).id, (b.y * b.x).id);
  EXPECT_EQ(exp(b.x).id, exp(b.x).id);
  EXPECT_NE((b.x - b.y).id, (b.y - b.x).id);
  EXPECT_NE(b.expression.constant(0.0f), b.expression.constant(-0.0f));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(b.expression.constant(nan), b.expression.constant(nan));
}

TEST(Expression, folds_constants) {
  Built b;
  const Expr two = {&b.expression, b.expression.constant(2.0f)};
  EXPECT_EQ(b.text(b.x * (exp(two - 2.0f) + two * 3.0f)), "mul(x0, 7)");
}

TEST(Expression, folds_identities) {
  Built b;
  EXPECT_EQ((b.x + 0.0f).id, b.x.id);
  EXPECT_EQ((0.0f + b.x).id, b.x.id);
  EXPECT_EQ((b.x - 0.0f).id, b.x.id);
  EXPECT_EQ((0.0f - b.x).id, (-b.x).id);
  EXPECT_EQ((b.x * 1.0f).id, b.x.id);
  EXPECT_EQ((1.0f * b.x).id, b.x.id);
  EXPECT_EQ((b.x * 0.0f).id, b.expression.constant(0.0f));
  EXPECT_EQ((b.x / 1.0f).id, b.x.id);
  EXPECT_EQ((-(-b.x)).id, b.x.id);
  EXPECT_EQ(pow(b.x, 1.0f).id, b.x.id);
  EXPECT_EQ(pow(b.x, 2.0f).id, (b.x * b.x).id);
  const Expr one = {&b.expression, b.expression.constant(1.0f)};
  EXPECT_EQ(select(one, b.x, b.y).id, b.x.id);
  EXPECT_EQ(select(one * 0.0f, b.x, b.y).id, b.y.id);
  EXPECT_EQ(select(b.x, b.y, b.y).id, b.y.id);
}

TEST(Expression, splices_another_expression_over_its_own_terms) {
  Built inner;
  inner.expression.add_output((inner.x * inner.y).id);
  inner.expression.add_output(exp(inner.y).id);

  Built outer;
  const Expr sum = outer.x + outer.y;
  const std::vector<std::int32_t> inputs{sum.id, outer.x.id};
  const auto outputs = outer.expression.splice(inner.expression, inputs);
  ASSERT_EQ(outputs.size(), 2u);
  for (const auto output : outputs) outer.expression.add_output(output);
  EXPECT_EQ(outer.expression.text(), "mul(x0, add(x0, x1)); exp(x0)");
}

TEST(Expression, splicing_folds_what_becomes_constant) {
  Built inner;
  inner.expression.add_output((inner.x * inner.y).id);
  Built outer;
  const std::vector<std::int32_t> inputs{outer.x.id, outer.expression.constant(1.0f)};
  EXPECT_EQ(outer.expression.splice(inner.expression, inputs).front(), outer.x.id);
}

TEST(Expression, compacting_drops_and_renumbers) {
  Expression e;
  const Expr a{&e, e.input(1)};
  const Expr b{&e, e.input(4)};
  const Expr unused{&e, e.input(2)};
  exp(unused);
  e.add_output((b - a).id);
  std::vector<int> kept;
  const Expression small = e.compacted(&kept);
  EXPECT_EQ(small.text(), "sub(x1, x0)");
  EXPECT_EQ(kept, (std::vector<int>{1, 4}));
  EXPECT_EQ(small.instructions().size(), 3u);
  EXPECT_EQ(small.input_count(), 2);
  EXPECT_EQ(e.input_count(), 5);
}

TEST(Expression, knows_whether_it_is_random) {
  Expression e;
  EXPECT_FALSE(e.uses_random());
  e.append({.op = ExprOp::uniform, .index = 3});
  EXPECT_TRUE(e.uses_random());
}

// ---- Derivatives ----

std::vector<double> gradient_at(const Expression& forward, const std::vector<double>& inputs,
                                const std::vector<double>& output_gradients) {
  std::vector<double> all = inputs;
  const auto outputs = test::evaluate(forward, inputs);
  all.insert(all.end(), outputs.begin(), outputs.end());
  all.insert(all.end(), output_gradients.begin(), output_gradients.end());
  return test::evaluate(differentiate(forward), all);
}

void expect_gradient_matches_differences(const Expression& forward,
                                         const std::vector<double>& inputs) {
  std::vector<double> output_gradients;
  for (std::size_t j = 0; j < forward.outputs().size(); ++j) {
    output_gradients.push_back(1.25 - 0.5 * static_cast<double>(j));
  }
  const auto weighted = [&](const std::vector<double>& x) {
    const auto outputs = test::evaluate(forward, x);
    double sum = 0;
    for (std::size_t j = 0; j < outputs.size(); ++j) sum += outputs[j] * output_gradients[j];
    return sum;
  };
  const auto gradient = gradient_at(forward, inputs, output_gradients);
  ASSERT_EQ(gradient.size(), inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    constexpr double h = 1e-5;
    auto above = inputs, below = inputs;
    above[i] += h;
    below[i] -= h;
    const double expected = (weighted(above) - weighted(below)) / (2 * h);
    // Constants such as 2 / sqrt(pi) are float32.
    EXPECT_NEAR(gradient[i], expected, 1e-6 * (1 + std::abs(expected)))
        << forward.text() << ", input " << i << " at " << inputs[i] << "\ngradient "
        << differentiate(forward).text();
  }
}

struct UnaryCase {
  ExprOp op;
  std::vector<double> points;
};

class UnaryDerivative : public testing::TestWithParam<UnaryCase> {};

TEST_P(UnaryDerivative, matches_differences_as_output_and_as_inner_term) {
  for (const double point : GetParam().points) {
    Expression outer;
    outer.add_output(apply(GetParam().op, {&outer, outer.input(0)}).id);
    expect_gradient_matches_differences(outer, {point});

    Expression inner;
    const Expr x{&inner, inner.input(0)};
    const Expr y = apply(GetParam().op, x);
    inner.add_output((y * 3.0f + y * x).id);
    expect_gradient_matches_differences(inner, {point});
  }
}

const std::vector<double> kAnywhere{-2.3, -0.4, 0.3, 1.7};
const std::vector<double> kPositive{0.05, 0.9, 4.5};
INSTANTIATE_TEST_SUITE_P(
    Ops, UnaryDerivative,
    testing::Values(UnaryCase{ExprOp::neg, kAnywhere}, UnaryCase{ExprOp::abs, kAnywhere},
                    UnaryCase{ExprOp::sign, kAnywhere}, UnaryCase{ExprOp::floor, kAnywhere},
                    UnaryCase{ExprOp::exp, kAnywhere}, UnaryCase{ExprOp::expm1, kAnywhere},
                    UnaryCase{ExprOp::log, kPositive}, UnaryCase{ExprOp::log1p, kPositive},
                    UnaryCase{ExprOp::sqrt, kPositive}, UnaryCase{ExprOp::rsqrt, kPositive},
                    UnaryCase{ExprOp::reciprocal, kAnywhere}, UnaryCase{ExprOp::tanh, kAnywhere},
                    UnaryCase{ExprOp::sigmoid, kAnywhere}, UnaryCase{ExprOp::relu, kAnywhere},
                    UnaryCase{ExprOp::erf, kAnywhere}, UnaryCase{ExprOp::sin, kAnywhere},
                    UnaryCase{ExprOp::cos, kAnywhere}, UnaryCase{ExprOp::is_finite, kAnywhere}),
    [](const auto& info) { return std::string(name_of(info.param.op)); });

class BinaryDerivative : public testing::TestWithParam<ExprOp> {};

TEST_P(BinaryDerivative, matches_differences_in_both_operands) {
  const bool is_power = GetParam() == ExprOp::pow;
  for (const double a : is_power ? kPositive : kAnywhere) {
    for (const double b : {-1.1, 0.7, 2.2}) {
      Expression outer;
      outer.add_output(
          apply(GetParam(), Expr{&outer, outer.input(0)}, Expr{&outer, outer.input(1)}).id);
      expect_gradient_matches_differences(outer, {a, b});

      Expression inner;
      const Expr x{&inner, inner.input(0)}, y{&inner, inner.input(1)};
      inner.add_output((apply(GetParam(), x, y) * y + apply(GetParam(), x, 0.6f)).id);
      expect_gradient_matches_differences(inner, {a, b});
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, BinaryDerivative,
                         testing::Values(ExprOp::add, ExprOp::sub, ExprOp::mul, ExprOp::div,
                                         ExprOp::minimum, ExprOp::maximum, ExprOp::pow,
                                         ExprOp::less, ExprOp::less_equal, ExprOp::equal),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST(Derivative, of_select_goes_where_the_condition_says) {
  Expression e;
  const Expr x{&e, e.input(0)}, y{&e, e.input(1)};
  e.add_output(select(less(x, y), x * y, exp(x)).id);
  expect_gradient_matches_differences(e, {0.5, 1.5});
  expect_gradient_matches_differences(e, {1.5, 0.5});
}

TEST(Derivative, of_several_outputs_adds_up) {
  Expression e;
  const Expr x{&e, e.input(0)}, y{&e, e.input(1)};
  const Expr t = tanh(x * y);
  e.add_output(t.id);
  e.add_output((t * y + sqrt(y)).id);
  e.add_output(x.id);
  e.add_output(t.id);
  expect_gradient_matches_differences(e, {0.4, 0.8});
}

TEST(Derivative, uses_the_outputs_of_the_forward_pass) {
  const auto text = [](ExprOp op) {
    Expression e;
    e.add_output(apply(op, {&e, e.input(0)}).id);
    return differentiate(e).text();
  };
  EXPECT_EQ(text(ExprOp::relu), "select(x1, x2, 0)");
  EXPECT_EQ(text(ExprOp::exp), "mul(x1, x2)");
  EXPECT_EQ(text(ExprOp::tanh), "mul(x2, sub(1, mul(x1, x1)))");
  for (const ExprOp op :
       {ExprOp::sigmoid, ExprOp::sqrt, ExprOp::rsqrt, ExprOp::reciprocal, ExprOp::expm1}) {
    EXPECT_EQ(text(op).find("x0"), std::string::npos) << text(op);
  }
}

TEST(Derivative, at_a_tie_goes_to_the_first_operand) {
  for (const ExprOp op : {ExprOp::minimum, ExprOp::maximum}) {
    Expression e;
    e.add_output(apply(op, Expr{&e, e.input(0)}, Expr{&e, e.input(1)}).id);
    EXPECT_EQ(gradient_at(e, {2.0, 2.0}, {1.0}), (std::vector<double>{1.0, 0.0}));
  }
}

TEST(Derivative, of_a_power_is_finite_at_zero) {
  Expression e;
  e.add_output(pow(Expr{&e, e.input(0)}, Expr{&e, e.input(1)}).id);
  EXPECT_EQ(gradient_at(e, {0.0, 2.0}, {1.0}), (std::vector<double>{0.0, 0.0}));
  EXPECT_EQ(gradient_at(e, {0.0, 0.0}, {1.0}), (std::vector<double>{0.0, 0.0}));
}

TEST(Derivative, of_an_input_that_does_not_matter_is_zero) {
  Expression e;
  const Expr y{&e, e.input(1)};
  e.add_output((y * Expr{&e, e.append({.op = ExprOp::uniform, .index = 0})}).id);
  EXPECT_EQ(differentiate(e).text(), "0; mul(x3, uniform(0))");
}

}  // namespace
}  // namespace stoker::graph
