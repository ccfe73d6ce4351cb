// Every pointwise activation against its definition in double, and its slope against differences.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "layers/layer.h"
#include "support/expression_reference.h"

namespace stoker {
namespace {

struct ActivationCase {
  ActivationFunction function;
  std::function<double(double)> definition;
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) { return std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x))); }
double clip(double x, double low, double high) { return std::fmin(std::fmax(x, low), high); }
double elu(double x, double alpha) { return x > 0 ? x : alpha * std::expm1(x); }
double gelu_tanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

// Definitions: Keras 3's documentation of keras.activations.
std::vector<ActivationCase> cases() {
  return {
      {"linear", [](double x) { return x; }},
      {"relu", [](double x) { return std::fmax(x, 0); }},
      {{"relu", {0.1, 2.0, 0.5}},
       [](double x) { return x > 2     ? 2
                             : x > 0.5 ? x
                                       : 0.1 * (x - 0.5); }},
      {"leaky_relu", [](double x) { return x > 0 ? x : 0.2 * x; }},
      {{"leaky_relu", {0.3}}, [](double x) { return x > 0 ? x : 0.3 * x; }},
      {"relu6", [](double x) { return clip(x, 0, 6); }},
      {"elu", [](double x) { return elu(x, 1); }},
      {{"elu", {0.7}}, [](double x) { return elu(x, 0.7); }},
      {"selu", [](double x) { return 1.0507009873554805 * elu(x, 1.6732632423543772); }},
      {"celu", [](double x) { return elu(x, 1); }},
      {{"celu", {2.0}}, [](double x) { return x > 0 ? x : 2 * std::expm1(x / 2); }},
      {"gelu", [](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }},
      {{"gelu", {1.0}}, gelu_tanh},
      {"gelu_tanh", gelu_tanh},
      {"sigmoid", sigmoid},
      {"tanh", [](double x) { return std::tanh(x); }},
      {"softplus", softplus},
      {"softsign", [](double x) { return x / (1 + std::fabs(x)); }},
      {"silu", [](double x) { return x * sigmoid(x); }},
      {"swish", [](double x) { return x * sigmoid(x); }},
      {"mish", [](double x) { return x * std::tanh(softplus(x)); }},
      {"exponential", [](double x) { return std::exp(x); }},
      {"hard_sigmoid", [](double x) { return clip(x / 6 + 0.5, 0, 1); }},
      {"hard_silu", [](double x) { return x * clip(x / 6 + 0.5, 0, 1); }},
      {"hard_swish", [](double x) { return x * clip(x / 6 + 0.5, 0, 1); }},
      {"hard_tanh", [](double x) { return clip(x, -1, 1); }},
      {"hard_shrink", [](double x) { return std::fabs(x) > 0.5 ? x : 0; }},
      {"soft_shrink", [](double x) { return x > 0.5    ? x - 0.5
                                            : x < -0.5 ? x + 0.5
                                                       : 0; }},
      {"tanh_shrink", [](double x) { return x - std::tanh(x); }},
      {"squareplus", [](double x) { return (x + std::sqrt(x * x + 4)) / 2; }},
      {"sparse_plus", [](double x) { return x <= -1 ? 0
                                            : x < 1 ? (x + 1) * (x + 1) / 4
                                                    : x; }},
      {"sparse_sigmoid", [](double x) { return clip((x + 1) / 2, 0, 1); }},
      {"log_sigmoid", [](double x) { return -softplus(-x); }},
      {{"threshold", {0.25, -2.0}}, [](double x) { return x > 0.25 ? x : -2; }},
  };
}

// The expression that activate() appends.
graph::Expression expression_of(const ActivationFunction& function) {
  graph::Graph graph;
  const graph::Value x = graph.leaf("x", {DType::float32, {1}}, {});
  const graph::Value y = layers::activate(x, function);
  graph::Expression expression;
  if (y.id == x.id) {
    expression.add_output(expression.input(0));
    return expression;
  }
  return ops::attributes_of<ops::PointwiseAttributes>(graph.node(graph.info(y.id).node)).expression;
}

double value_at(const graph::Expression& expression, double x) {
  return test::evaluate(expression, std::vector<double>{x})[0];
}

double slope_at(const graph::Expression& expression, double x) {
  const graph::Expression derivative = graph::differentiate(expression);
  return test::evaluate(derivative, std::vector<double>{x, value_at(expression, x), 1.0})[0];
}

// Away from 0 and from every kink.
const std::vector<double> kPoints{-7.3, -2.9, -1.7, -0.77, -0.3, 0.13, 0.41, 0.9, 1.6, 2.8, 6.7};

TEST(Activations, follow_their_definitions) {
  for (const ActivationCase& test : cases()) {
    const graph::Expression expression = expression_of(test.function);
    for (const double x : kPoints) {
      const double expected = test.definition(x);
      EXPECT_NEAR(value_at(expression, x), expected, 1e-6 * (1 + std::fabs(expected)))
          << test.function.name() << " at " << x;
    }
  }
}

TEST(Activations, have_the_slopes_of_their_definitions) {
  for (const ActivationCase& test : cases()) {
    const graph::Expression expression = expression_of(test.function);
    for (const double x : kPoints) {
      const double h = 1e-5;
      const double expected = (test.definition(x + h) - test.definition(x - h)) / (2 * h);
      EXPECT_NEAR(slope_at(expression, x), expected, 2e-6 * (1 + std::fabs(expected)))
          << test.function.name() << " at " << x;
    }
  }
}

TEST(Activations, stay_finite_far_out) {
  for (const ActivationCase& test : cases()) {
    const graph::Expression expression = expression_of(test.function);
    for (const double x : {-1e4, -200.0, 200.0, 1e4}) {
      if (test.function.name() == "exponential" && x > 0) continue;
      EXPECT_TRUE(std::isfinite(value_at(expression, x))) << test.function.name() << " at " << x;
      EXPECT_TRUE(std::isfinite(slope_at(expression, x))) << test.function.name() << " at " << x;
    }
  }
}

TEST(Activations, smooth_ones_have_their_slope_at_zero) {
  const std::vector<std::pair<const char*, double>> expected{
      {"softplus", 0.5}, {"log_sigmoid", 0.5}, {"sigmoid", 0.25}, {"tanh", 1.0},
      {"silu", 0.5},     {"gelu", 0.5},        {"mish", 0.6},     {"softsign", 1.0},
      {"elu", 1.0},      {"squareplus", 0.5}};
  for (const auto& [name, slope] : expected) {
    EXPECT_NEAR(slope_at(expression_of(name), 0.0), slope, 1e-6) << name;
  }
}

TEST(Activations, other_names_mean_the_same) {
  EXPECT_EQ(ActivationFunction("swish").name(), "silu");
  EXPECT_EQ(ActivationFunction("hard_swish").name(), "hard_silu");
  EXPECT_TRUE(ActivationFunction().is_linear());
}

}  // namespace
}  // namespace stoker
