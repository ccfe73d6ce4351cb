// The functions of stoker/ops.h: their values, their gradients by finite differences, their shapes,
// and models of the functional API that hold them.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;
using Numbers = std::vector<float>;

Numbers numbers(const Tensor& x) { return {x.data<float>().begin(), x.data<float>().end()}; }

Tensor tensor(const Shape& shape, const Numbers& values) {
  return Tensor::from<float>(shape, std::span<const float>(values));
}

// What a function makes of tensors, in a model's prediction. The batch is the tensors' first axis.
template <class F>
Tensor made(const F& f, const std::vector<Tensor>& tensors) {
  std::vector<Value> inputs;
  Tensors given;
  for (const Tensor& tensor : tensors) inputs.push_back(Input(tensor.shape().without_batch()));
  const Layer layer = Lambda([f](const std::vector<Value>& values) -> Value { return f(values); });
  Model model(inputs, layer(inputs), {.device = Device::cpu()});
  if (tensors.size() == 1) return model.predict_on_batch(tensors[0]);
  return model.predict_on_batch(Tensors(tensors));
}

void expect_near(const Numbers& got, const Numbers& expected, float tolerance = 2e-6f) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(expected[i])) {
      EXPECT_TRUE(std::isnan(got[i])) << i;
      continue;
    }
    EXPECT_NEAR(got[i], expected[i], tolerance * std::max(1.0f, std::abs(expected[i]))) << i;
  }
}

// ---- Values ------------------------------------------------------------------------------------
struct Unary {
  const char* name;
  Value (*function)(const Value& x);
  double (*expected)(double x);
};

class Unaries : public testing::TestWithParam<Unary> {};

TEST_P(Unaries, are_those_of_the_definition) {
  const Unary& unary = GetParam();
  Numbers x, expected;
  for (double value = -3.25; value < 3.5; value += 0.25) {
    if (std::isnan(unary.expected(value)) || std::isinf(unary.expected(value))) continue;
    x.push_back(static_cast<float>(value));
    expected.push_back(static_cast<float>(unary.expected(value)));
  }
  const auto count = static_cast<std::int64_t>(x.size());
  const Tensor given = tensor({count, 1}, x);
  expect_near(numbers(made([&](const auto& v) { return unary.function(v[0]); }, {given})), expected,
              1e-5f);
}

const Unary kUnaries[] = {
    {"abs", ops::abs, [](double x) { return std::abs(x); }},
    {"sign", ops::sign, [](double x) { return x > 0   ? 1.0
                                              : x < 0 ? -1.0
                                                      : 0.0; }},
    {"floor", ops::floor, [](double x) { return std::floor(x); }},
    {"ceil", ops::ceil, [](double x) { return std::ceil(x); }},
    {"round", ops::round, [](double x) { return std::nearbyint(x); }},
    {"square", ops::square, [](double x) { return x * x; }},
    {"sqrt", ops::sqrt, [](double x) { return std::sqrt(x); }},
    {"rsqrt", ops::rsqrt, [](double x) { return 1.0 / std::sqrt(x); }},
    {"reciprocal", ops::reciprocal, [](double x) { return 1.0 / x; }},
    {"exp", ops::exp, [](double x) { return std::exp(x); }},
    {"expm1", ops::expm1, [](double x) { return std::expm1(x); }},
    {"log", ops::log, [](double x) { return std::log(x); }},
    {"log1p", ops::log1p, [](double x) { return std::log1p(x); }},
    {"log2", ops::log2, [](double x) { return std::log2(x); }},
    {"log10", ops::log10, [](double x) { return std::log10(x); }},
    {"sin", ops::sin, [](double x) { return std::sin(x); }},
    {"cos", ops::cos, [](double x) { return std::cos(x); }},
    {"tan", ops::tan, [](double x) { return std::tan(x); }},
    {"sinh", ops::sinh, [](double x) { return std::sinh(x); }},
    {"cosh", ops::cosh, [](double x) { return std::cosh(x); }},
    {"tanh", ops::tanh, [](double x) { return std::tanh(x); }},
    {"erf", ops::erf, [](double x) { return std::erf(x); }},
    {"sigmoid", ops::sigmoid, [](double x) { return 1.0 / (1.0 + std::exp(-x)); }},
    {"relu", ops::relu, [](double x) { return std::max(x, 0.0); }},
    {"relu6", ops::relu6, [](double x) { return std::clamp(x, 0.0, 6.0); }},
    {"softplus", ops::softplus, [](double x) { return std::log1p(std::exp(x)); }},
    {"softsign", ops::softsign, [](double x) { return x / (1.0 + std::abs(x)); }},
    {"silu", ops::silu, [](double x) { return x / (1.0 + std::exp(-x)); }},
    {"log_sigmoid", ops::log_sigmoid, [](double x) { return -std::log1p(std::exp(-x)); }},
    {"hard_sigmoid", ops::hard_sigmoid,
     [](double x) { return std::clamp(x / 6.0 + 0.5, 0.0, 1.0); }},
    {"mish", ops::mish, [](double x) { return x * std::tanh(std::log1p(std::exp(x))); }},
    {"selu", ops::selu,
     [](double x) {
       return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * std::expm1(x));
     }},
    {"gelu", [](const Value& x) { return ops::gelu(x, false); },
     [](double x) { return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0))); }},
    {"gelu_by_tanh", [](const Value& x) { return ops::gelu(x); },
     [](double x) {
       return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
     }},
    {"elu", [](const Value& x) { return ops::elu(x, 0.5); },
     [](double x) { return x > 0 ? x : 0.5 * std::expm1(x); }},
    {"leaky_relu", [](const Value& x) { return ops::leaky_relu(x); },
     [](double x) { return x > 0 ? x : 0.2 * x; }},
    {"logical_not", ops::logical_not, [](double x) { return x == 0.0 ? 1.0 : 0.0; }},
    {"clip", [](const Value& x) { return ops::clip(x, -1.0, 2.0); },
     [](double x) { return std::clamp(x, -1.0, 2.0); }},
    {"named_activation", [](const Value& x) { return ops::activation(x, "tanh"); },
     [](double x) { return std::tanh(x); }},
    {"minus", [](const Value& x) { return -x; }, [](double x) { return -x; }},
    {"numbers_on_both_sides",
     [](const Value& x) { return (1.0 - x) * 2.0 + (3.0 / (x * x + 1.0)) - x / 4.0; },
     [](double x) { return (1.0 - x) * 2.0 + 3.0 / (x * x + 1.0) - x / 4.0; }},
    {"comparisons_with_numbers",
     [](const Value& x) {
       return ops::less(x, 1.0) + 2.0 * ops::less_equal(x, 1.0) + 4.0 * ops::greater(x, -1.0) +
              8.0 * ops::greater_equal(x, -1.0) + 16.0 * ops::equal(x, 0.5) +
              32.0 * ops::not_equal(x, 0.5);
     },
     [](double x) {
       return (x < 1) + 2.0 * (x <= 1) + 4.0 * (x > -1) + 8.0 * (x >= -1) + 16.0 * (x == 0.5) +
              32.0 * (x != 0.5);
     }},
    {"power", [](const Value& x) { return ops::power(ops::abs(x), 1.5); },
     [](double x) { return std::pow(std::abs(x), 1.5); }},
};

INSTANTIATE_TEST_SUITE_P(Functions, Unaries, testing::ValuesIn(kUnaries),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Functions, tell_numbers_that_are_none) {
  const float infinity = INFINITY;
  const Tensor x = tensor({4, 1}, {1.0f, NAN, infinity, -infinity});
  expect_near(numbers(made([](const auto& v) { return ops::isnan(v[0]); }, {x})), {0, 1, 0, 0});
  expect_near(numbers(made([](const auto& v) { return ops::isinf(v[0]); }, {x})), {0, 0, 1, 1});
  expect_near(numbers(made([](const auto& v) { return ops::isfinite(v[0]); }, {x})), {1, 0, 0, 0});
}

TEST(Functions, round_halves_to_even_numbers) {
  const Tensor x =
      tensor({8, 1}, {-2.5f, -1.5f, -0.5f, 0.5f, 1.5f, 2.5f, 8388609.0f, -16777217.0f});
  expect_near(numbers(made([](const auto& v) { return ops::round(v[0]); }, {x})),
              {-2, -2, 0, 0, 2, 2, 8388609.0f, -16777217.0f});
}

const Tensor kA = tensor({2, 3}, {1.0f, -2.0f, 3.0f, 0.0f, 5.0f, -6.0f});
const Tensor kB = tensor({2, 3}, {2.0f, -2.0f, 1.0f, 0.0f, 0.5f, 6.0f});

TEST(Functions, of_two_values_go_element_by_element) {
  const auto check = [](Value (*f)(const Value&, const Value&), const Numbers& expected) {
    expect_near(numbers(made([&](const auto& v) { return f(v[0], v[1]); }, {kA, kB})), expected);
  };
  check(ops::add, {3, -4, 4, 0, 5.5f, 0});
  check(ops::subtract, {-1, 0, 2, 0, 4.5f, -12});
  check(ops::multiply, {2, 4, 3, 0, 2.5f, -36});
  check(ops::maximum, {2, -2, 3, 0, 5, 6});
  check(ops::minimum, {1, -2, 1, 0, 0.5f, -6});
  check(ops::equal, {0, 1, 0, 1, 0, 0});
  check(ops::not_equal, {1, 0, 1, 0, 1, 1});
  check(ops::less, {1, 0, 0, 0, 0, 1});
  check(ops::less_equal, {1, 1, 0, 1, 0, 1});
  check(ops::greater, {0, 0, 1, 0, 1, 0});
  check(ops::greater_equal, {0, 1, 1, 1, 1, 0});
  check(ops::logical_and, {1, 1, 1, 0, 1, 1});
  check(ops::logical_or, {1, 1, 1, 0, 1, 1});
}

TEST(Functions, choose_by_a_condition) {
  const auto positive = [](const auto& v) { return ops::greater(v[0], 0.0); };
  expect_near(
      numbers(made([&](const auto& v) { return ops::where(positive(v), v[0], v[1]); }, {kA, kB})),
      {1, -2, 3, 0, 5, 6});
  expect_near(
      numbers(made([&](const auto& v) { return ops::where(positive(v), v[0], 9.0); }, {kA})),
      {1, 9, 3, 9, 5, 9});
  expect_near(
      numbers(made([&](const auto& v) { return ops::where(positive(v), 9.0, v[0]); }, {kA})),
      {9, -2, 9, 0, 9, -6});
}

TEST(Functions, reduce_over_axes) {
  const auto check = [](const std::function<Value(const Value&)>& f, const Numbers& expected) {
    // The batch has to stay for a model's output, so the rank is one more.
    const Tensor x = tensor({1, 2, 3}, numbers(kA));
    expect_near(numbers(made([&](const auto& v) { return f(v[0]); }, {x})), expected, 1e-5f);
  };
  check([](const Value& x) { return ops::sum(x, -1); }, {2, -1});
  check([](const Value& x) { return ops::sum(x, {1, 2}); }, {1});
  check([](const Value& x) { return ops::sum(x, {-1, -2}, true); }, {1});
  check([](const Value& x) { return ops::mean(x, 1); }, {0.5f, 1.5f, -1.5f});
  check([](const Value& x) { return ops::max(x, 1); }, {1, 5, 3});
  check([](const Value& x) { return ops::min(x, 2); }, {-2, -6});
  check([](const Value& x) { return ops::var(x, 2); },
        {38.0f / 9.0f, (1.0f / 9.0f + 256.0f / 9.0f + 289.0f / 9.0f) / 3.0f});
  check([](const Value& x) { return ops::std(x, 1); }, {0.5f, 3.5f, 4.5f});
  check([](const Value& x) { return ops::norm(x, 1); }, {1.0f, std::sqrt(29.0f), std::sqrt(45.0f)});
  check([](const Value& x) { return ops::all(x, 1); }, {0, 1, 1});
  check([](const Value& x) { return ops::any(x, 2); }, {1, 1});
  check([](const Value& x) { return ops::count_nonzero(x, {1, 2}); }, {5});
  check([](const Value& x) { return ops::logsumexp(x * 100.0, 2); }, {300, 500});
  check([](const Value& x) { return ops::cast(ops::argmax(x, 2), DType::float32); }, {2, 1});
  check([](const Value& x) { return ops::cast(ops::argmax(x, 1), DType::float32); }, {0, 1, 0});
  check([](const Value& x) { return ops::cast(ops::argmin(x, 1), DType::float32); }, {1, 0, 1});
  check([](const Value& x) { return ops::cumsum(x, 2); }, {1, -1, 2, 0, 5, -1});
  check([](const Value& x) { return ops::cumsum(x, 1); }, {1, -2, 3, 1, 3, -3});
  check([](const Value& x) { return ops::normalize(x, 1); },
        {1, -2 / std::sqrt(29.0f), 3 / std::sqrt(45.0f), 0, 5 / std::sqrt(29.0f),
         -6 / std::sqrt(45.0f)});
  const float e = std::exp(-1.0f);
  check([](const Value& x) { return ops::softmax(x, 1); },
        {1 / (1 + e), 1 / (1 + std::exp(7.0f)), 1 / (1 + std::exp(-9.0f)), e / (1 + e),
         1 / (1 + std::exp(-7.0f)), 1 / (1 + std::exp(9.0f))});
  check([](const Value& x) { return ops::exp(ops::log_softmax(x, -1)) - ops::softmax(x); },
        {0, 0, 0, 0, 0, 0});
}

TEST(Functions, move_elements) {
  const auto check = [](const std::function<Value(const Value&)>& f, const Shape& shape,
                        const Numbers& expected) {
    const Tensor y = made([&](const auto& v) { return f(v[0]); }, {tensor({1, 2, 3}, numbers(kA))});
    EXPECT_EQ(y.shape(), shape);
    expect_near(numbers(y), expected);
  };
  check(
      [](const Value& x) {
        return ops::reshape(x, {-1, 3, 2});
      },
      {1, 3, 2}, {1, -2, 3, 0, 5, -6});
  check([](const Value& x) { return ops::reshape(x, {-1, 6}); }, {1, 6}, {1, -2, 3, 0, 5, -6});
  check(
      [](const Value& x) {
        return ops::reshape(x, {x.shape()[0], -1});
      },
      {1, 6}, {1, -2, 3, 0, 5, -6});
  // Joins the batch with the next axis, as Keras does.
  check(
      [](const Value& x) {
        const Value rows = ops::reshape(x, {-1, 3}) * ops::constant({3}, {1, 2, 3});
        return ops::reshape(rows, {-1, 2, 3});
      },
      {1, 2, 3}, {1, -4, 9, 0, 10, -18});
  check([](const Value& x) { return ops::expand_dims(x, 1); }, {1, 1, 2, 3}, {1, -2, 3, 0, 5, -6});
  check([](const Value& x) { return ops::expand_dims(x, -1); }, {1, 2, 3, 1}, {1, -2, 3, 0, 5, -6});
  check([](const Value& x) { return ops::squeeze(ops::expand_dims(x, -2), 2); }, {1, 2, 3},
        {1, -2, 3, 0, 5, -6});
  check(
      [](const Value& x) {
        return ops::transpose(x, {0, 2, 1});
      },
      {1, 3, 2}, {1, 0, -2, 5, 3, -6});
  check([](const Value& x) { return ops::swapaxes(x, 1, -1); }, {1, 3, 2}, {1, 0, -2, 5, 3, -6});
  check([](const Value& x) { return ops::slice(x, 2, 1, 2); }, {1, 2, 2}, {-2, 3, 5, -6});
  check([](const Value& x) { return ops::slice(x, -1, -1, 1); }, {1, 2, 1}, {3, -6});
  check(
      [](const Value& x) {
        return ops::concatenate({x, x * 2.0}, 1);
      },
      {1, 4, 3}, {1, -2, 3, 0, 5, -6, 2, -4, 6, 0, 10, -12});
  check(
      [](const Value& x) {
        return ops::stack({x, -x}, -1);
      },
      {1, 2, 3, 2}, {1, -1, -2, 2, 3, -3, 0, 0, 5, -5, -6, 6});
  check(
      [](const Value& x) {
        const std::vector<Value> parts = ops::split(x, 3, 2);
        return ops::concatenate({parts[2], parts[0]}, 2);
      },
      {1, 2, 2}, {3, 1, -6, 0});
  check([](const Value& x) { return ops::repeat(x, 2, 1); }, {1, 4, 3},
        {1, -2, 3, 1, -2, 3, 0, 5, -6, 0, 5, -6});
  check([](const Value& x) { return ops::tile(x, 2, 1); }, {1, 4, 3},
        {1, -2, 3, 0, 5, -6, 1, -2, 3, 0, 5, -6});
  check([](const Value& x) { return ops::roll(x, 1, 2); }, {1, 2, 3}, {3, 1, -2, -6, 0, 5});
  check([](const Value& x) { return ops::roll(x, -4, 2); }, {1, 2, 3}, {-2, 3, 1, 5, -6, 0});
  check([](const Value& x) { return ops::flip(x, 2); }, {1, 2, 3}, {3, -2, 1, -6, 5, 0});
  check(
      [](const Value& x) {
        return ops::pad(x, {{0, 0}, {1, 0}, {0, 1}}, 7.0);
      },
      {1, 3, 4}, {7, 7, 7, 7, 1, -2, 3, 7, 0, 5, -6, 7});
  check(
      [](const Value& x) {
        return ops::broadcast_to(ops::slice(x, 1, 0, 1), {-1, 2, -1});
      },
      {1, 2, 3}, {1, -2, 3, 1, -2, 3});
  check([](const Value& x) { return x * 0.0 + ops::full_like(x, 4.0) + ops::ones_like(x); },
        {1, 2, 3}, {5, 5, 5, 5, 5, 5});
  check([](const Value& x) { return x * ops::zeros_like(x) + ops::arange(3); }, {1, 2, 3},
        {0, 1, 2, 0, 1, 2});
  check(
      [](const Value& x) {
        return x * 0.0 + ops::constant({3}, {4, 5, 6});
      },
      {1, 2, 3}, {4, 5, 6, 4, 5, 6});
  check([](const Value& x) { return ops::one_hot(ops::abs(ops::slice(x, 2, 0, 2)), 6); },
        {1, 2, 2, 6}, {0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
}

TEST(Functions, take_rows_by_number) {
  const Tensor table = tensor({3, 2}, {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f});
  const Tensor y = made(
      [](const auto& v) {
        return ops::take(v[0], ops::cast(ops::slice(v[0], 1, 0, 1), DType::int32) * 0.0 + 1.0);
      },
      {table});
  EXPECT_EQ(y.shape(), (Shape{3, 1, 2}));
  expect_near(numbers(y), {3, 4, 3, 4, 3, 4});
}

TEST(Functions, multiply_matrices) {
  const Tensor a = Tensor::normal({2, 3, 4}, 0.0f, 1.0f, 1),
               b = Tensor::normal({2, 4, 5}, 0.0f, 1.0f, 2);
  Numbers expected;
  for (int n = 0; n < 2; ++n) {
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 5; ++j) {
        double sum = 0.0;
        for (int k = 0; k < 4; ++k) {
          sum += static_cast<double>(numbers(a)[static_cast<std::size_t>((n * 3 + i) * 4 + k)]) *
                 numbers(b)[static_cast<std::size_t>((n * 4 + k) * 5 + j)];
        }
        expected.push_back(static_cast<float>(sum));
      }
    }
  }
  expect_near(numbers(made([](const auto& v) { return ops::matmul(v[0], v[1]); }, {a, b})),
              expected, 1e-5f);
  expect_near(
      numbers(made([](const auto& v) { return ops::einsum("bij,bjk->bik", v[0], v[1]); }, {a, b})),
      expected, 1e-5f);
  // The same in another order, with a sum over an axis that only one of the two has.
  const Tensor sums = made(
      [](const auto& v) {
        return ops::einsum("bij,bjk->bk", v[0], v[1]) -
               ops::sum(ops::transpose(ops::einsum("bij, bjk -> bki", v[0], v[1]), {0, 1, 2}), 2);
      },
      {a, b});
  for (const float x : numbers(sums)) EXPECT_NEAR(x, 0.0f, 1e-5f);
  // A row and a column.
  const Tensor rows = made(
      [](const auto& v) {
        return ops::matmul(v[0], ops::constant({4}, {1, 2, 3, 4}));
      },
      {a});
  EXPECT_EQ(rows.shape(), (Shape{2, 3}));
}

TEST(Functions, compute_windows_as_layers_do) {
  const Tensor x = Tensor::normal({2, 5, 6, 3}, 0.0f, 1.0f, 1);
  const auto against = [&](const Layer& layer, const std::function<Value(const Value&)>& f) {
    const Value input = Input({5, 6, 3});
    Model model(input, layer(input), {.device = Device::cpu()});
    expect_near(numbers(made([&](const auto& v) { return f(v[0]); }, {x})),
                numbers(model.predict_on_batch(x)), 1e-5f);
  };
  against(MaxPooling2D({2, 2}, {.strides = Size2D{1, 1}, .padding = "same"}),
          [](const Value& v) { return ops::max_pool(v, 2, 1, "same"); });
  against(AveragePooling2D({3, 3}, {.strides = Size2D{2, 2}}),
          [](const Value& v) { return ops::average_pool(v, 3, 2); });
  against(
      Conv2D(4, 3,
             {.strides = 2, .padding = "same", .use_bias = false, .kernel_initializer = "ones"}),
      [](const Value& v) {
        return ops::conv(v, ops::full({3, 3, 3, 4}, 1.0), {.strides = 2, .padding = "same"});
      });
}

TEST(Functions, are_the_losses_of_samples) {
  const Tensor p = tensor({2, 3}, {0.2f, 0.3f, 0.5f, 0.1f, 0.8f, 0.1f});
  const Tensor y = tensor({2, 1}, {2.0f, 1.0f});
  expect_near(
      numbers(made([](const auto& v) { return ops::sparse_categorical_crossentropy(v[1], v[0]); },
                   {p, y})),
      {-std::log(0.5f), -std::log(0.8f)}, 1e-5f);
  const Tensor binary =
      made([](const auto& v) { return ops::binary_crossentropy(v[0], v[1], true); }, {p, kA});
  EXPECT_EQ(binary.shape(), (Shape{2, 3}));
  EXPECT_NEAR(numbers(binary)[3], std::log(2.0f), 1e-6f);
}

// ---- Gradients ---------------------------------------------------------------------------------
// A layer whose result is a function of its weight, so that a step of SGD at rate 1 subtracts the
// gradient.
class OfWeight : public CustomLayer {
 public:
  OfWeight(Shape shape, std::function<Value(const Value&)> f)
      : shape_(std::move(shape)), f_(std::move(f)) {}
  std::string class_name() const override { return "OfWeight"; }
  Value call(LayerContext& context, const Value& x) override {
    const Value w = context.weight("w", shape_, {.initializer = "zeros"});
    const Value y = f_(w);
    // The weights of elements differ, so that a sum that is constant (softmax) has a gradient too.
    const Value flat = ops::reshape(y, {-1});
    context.add_loss(ops::sum(ops::sin(ops::arange(flat.shape()[0]) + 1.0) * flat));
    return x * 1.0;
  }

 private:
  Shape shape_;
  std::function<Value(const Value&)> f_;
};

struct Differentiable {
  const char* name;
  Shape shape;
  std::function<Value(const Value&)> function;
};

class Gradients : public testing::TestWithParam<Differentiable> {};

TEST_P(Gradients, are_the_slopes) {
  const Differentiable& one = GetParam();
  const Value x = Input({1});
  Model model(x, custom_layer<OfWeight>(one.shape, one.function)(x), {.device = Device::cpu()});
  model.compile({.optimizer = SGD({.learning_rate = 1.0})});
  const std::int64_t count = one.shape.elements();
  Numbers w;
  for (std::int64_t i = 0; i < count; ++i) {
    w.push_back(0.7f * std::sin(1.0f + 1.7f * static_cast<float>(i)) + 0.05f);
  }
  const Tensor batch = Tensor::full({1, 1}, 1.0f);
  const auto set = [&](const Numbers& values) { model.set_weights({tensor(one.shape, values)}); };
  const auto loss = [&](const Numbers& values) {
    set(values);
    return static_cast<double>(model.test_on_batch(batch, {})["loss"]);
  };
  set(w);
  model.train_on_batch(batch, {});
  const Numbers moved = numbers(model.get_weights()[0]);
  constexpr float kStep = 4e-3f;
  for (std::size_t i = 0; i < w.size(); ++i) {
    Numbers up = w, down = w;
    up[i] += kStep;
    down[i] -= kStep;
    const double slope = (loss(up) - loss(down)) / (static_cast<double>(up[i]) - down[i]);
    EXPECT_NEAR(w[i] - moved[i], slope, 4e-3 * std::max(1.0, std::abs(slope))) << i;
  }
}

const Differentiable kDifferentiable[] = {
    {"arithmetic",
     {2, 3},
     [](const Value& w) { return w * w + 2.0 / (w + 3.0) - ops::power(w + 2.0, 1.5); }},
    {"exponentials",
     {2, 3},
     [](const Value& w) {
       return ops::exp(w) + ops::log1p(w + 1.0) + ops::expm1(w) * ops::tanh(w);
     }},
    {"hyperbolic",
     {2, 3},
     [](const Value& w) { return ops::sinh(w) + ops::cosh(w) + ops::tan(w); }},
    {"activations",
     {2, 3},
     [](const Value& w) { return ops::gelu(w) + ops::silu(w) + ops::mish(w) + ops::elu(w, 1.0); }},
    {"where",
     {2, 3},
     [](const Value& w) {
       return ops::where(ops::greater(w, 0.1), ops::sqrt(ops::abs(w) + 1.0), w * 3.0);
     }},
    {"variance", {3, 4}, [](const Value& w) { return ops::var(w, 1) + ops::std(w, 1); }},
    {"logsumexp", {3, 4}, [](const Value& w) { return ops::logsumexp(w, 0); }},
    {"norm", {3, 4}, [](const Value& w) { return ops::norm(w, 1); }},
    {"normalize", {3, 4}, [](const Value& w) { return ops::normalize(w, 0); }},
    {"softmax", {3, 4}, [](const Value& w) { return ops::softmax(w, 0) + ops::log_softmax(w, 1); }},
    {"cumsum", {3, 4}, [](const Value& w) { return ops::cumsum(w, 0) * ops::cumsum(w, 1); }},
    {"max", {3, 4}, [](const Value& w) { return ops::max(w, 1) - ops::min(w, 1); }},
    {"moves",
     {3, 4},
     [](const Value& w) {
       return ops::flip(ops::roll(w, 1, 1), 0) * ops::repeat(ops::slice(w, 1, 0, 2), 2, 1) +
              ops::tile(ops::slice(w, 0, 1, 1), 3, 0);
     }},
    {"stacks",
     {3, 4},
     [](const Value& w) {
       return ops::stack({w, w * w}, 1) * ops::expand_dims(w, 1);
     }},
    {"matmul", {3, 3}, [](const Value& w) { return ops::matmul(w, ops::transpose(w)); }},
    {"einsum", {3, 4}, [](const Value& w) { return ops::einsum("ij,kj->ki", w, ops::exp(w)); }},
    {"outer", {4}, [](const Value& w) { return ops::einsum("i,j->ij", w, w * w); }},
    {"conv",
     {1, 4, 4, 2},
     [](const Value& w) {
       const Value kernel = ops::reshape(ops::slice(w, 1, 0, 1), {2, 2, 2, 1});
       return ops::conv(w, kernel, {.padding = "same"}) + ops::max_pool(w, 2, 1, "same");
     }},
    {"take",
     {4, 2},
     [](const Value& w) {
       return ops::take(w, ops::constant({3}, {1, 3, 1})) * 2.0;
     }},
    {"stop_gradient",
     {4},
     [](const Value& w) {
       return w * w - ops::stop_gradient(w * w) + ops::stop_gradient(w) * 0.0;
     }},
};
// The last has another slope than its value; it stands in a test of its own.
INSTANTIATE_TEST_SUITE_P(Functions, Gradients,
                         testing::ValuesIn(kDifferentiable, std::end(kDifferentiable) - 1),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Functions, stop_gradients) {
  const Value x = Input({1});
  const auto f = [](const Value& w) { return w * ops::stop_gradient(w); };
  Model model(x, custom_layer<OfWeight>(Shape{1}, f)(x), {.device = Device::cpu()});
  model.compile({.optimizer = SGD({.learning_rate = 1.0})});
  model.set_weights({tensor({1}, {3.0f})});
  model.train_on_batch(Tensor::full({1, 1}, 1.0f), {});
  // d/dw of w * 3 is 3 and not 6.
  EXPECT_NEAR(numbers(model.get_weights()[0])[0], 3.0f - 3.0f * std::sin(1.0f), 1e-5f);
}

// ---- Random numbers ----------------------------------------------------------------------------
TEST(RandomFunctions, follow_the_seed_and_the_step) {
  const auto numbers_of = [](std::uint64_t seed) {
    const Value x = Input({512});
    const Layer noise = Lambda([](const Value& v) {
      return ops::concatenate({v * 0.0 + ops::random::normal(v.shape(), 2.0, 3.0),
                               ops::random::uniform_like(v, -1.0, 1.0)});
    });
    Model model(x, noise(x), {.seed = seed, .device = Device::cpu()});
    return numbers(model.predict_on_batch(Tensor::full({64, 512}, 1.0f)));
  };
  const Numbers first = numbers_of(1);
  EXPECT_EQ(first, numbers_of(1));
  EXPECT_NE(first, numbers_of(2));
  double mean = 0.0, square = 0.0, low = 1.0, high = -1.0;
  for (std::size_t i = 0; i < first.size(); ++i) {
    const double value = first[i];
    if (i % 1024 < 512) {
      mean += value / (64 * 512);
      square += value * value / (64 * 512);
    } else {
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  EXPECT_NEAR(mean, 2.0, 0.1);
  EXPECT_NEAR(square - mean * mean, 9.0, 0.4);
  EXPECT_NEAR(low, -1.0, 1e-3);
  EXPECT_NEAR(high, 1.0, 1e-3);
}

TEST(RandomFunctions, need_a_layer_around_them) {
  EXPECT_TRUE(
      contains(message_of<ValueError>([] { ops::random::normal({2}); }), "stoker/custom.h"));
}

// ---- The functional API ------------------------------------------------------------------------
Model with_functions() {
  const Value x = Input({4}, {.name = "x"});
  const Value h = Dense(6, {.name = "hidden"})(x);
  const Value scaled = ops::exp(h * 0.5) - 1.0;
  const Value gated = ops::where(ops::greater(scaled, 0.0), scaled, 0.1 * h);
  const Value y = ops::sum(ops::concatenate({gated, ops::square(x)}), -1, true);
  return Model(x, y, {.name = "functions", .seed = 1, .device = Device::cpu()});
}

TEST(FunctionsInModels, are_saved_and_loaded) {
  Model model = with_functions();
  const Tensor x = Tensor::normal({3, 4}, 0.0f, 1.0f, 5);
  Model other = Model::from_json(model.to_json(), {.device = Device::cpu()});
  other.set_weights(model.get_weights());
  EXPECT_EQ(numbers(other.predict_on_batch(x)), numbers(model.predict_on_batch(x)));
  EXPECT_EQ(other.to_json(), model.to_json());
}

TEST(FunctionsInModels, are_layers_with_shapes_and_names) {
  const Value x = Input({4});
  const Value y = ops::reshape(x * 2.0, {-1, 2, 2});
  EXPECT_EQ(y.shape(), (Shape{Shape::kUnknown, 2, 2}));
  EXPECT_EQ(y.dtype(), DType::float32);
  Model model(x, y, {.device = Device::cpu()});
  EXPECT_EQ(model.layers().size(), 3U);
}

TEST(FunctionsInModels, of_files_are_known_by_their_names) {
  const std::string json = with_functions().to_json();
  std::string wrong = json;
  const std::size_t at = wrong.find("\"exp\"");
  ASSERT_NE(at, std::string::npos);
  wrong.replace(at, 5, "\"expo\"");
  EXPECT_TRUE(contains(message_of<ValueError>([&] { Model::from_json(wrong); }),
                       "there is no function \"expo\""));
}

// ---- Mistakes ----------------------------------------------------------------------------------
TEST(FunctionMistakes, say_what_was_expected) {
  const Value x = Input({2, 3});
  const auto refused = [](const auto& f) { return message_of<Error>(f); };
  EXPECT_TRUE(contains(refused([&] { ops::sum(x, 3); }), "axis 3 is none of (None, 2, 3)"));
  EXPECT_TRUE(contains(refused([&] { ops::sum(x, {1, 1}); }), "expected each axis once"));
  EXPECT_TRUE(contains(refused([&] {
                         ops::reshape(x, {-1, -1, -1});
                       }),
                       "at most one extent of -1"));
  EXPECT_TRUE(contains(refused([&] { ops::squeeze(x, 1); }), "expected extent 1"));
  EXPECT_TRUE(contains(refused([&] { ops::split(x, 2, 2); }), "cannot split"));
  EXPECT_TRUE(contains(refused([&] { ops::clip(x, 2.0, 1.0); }), "x_min <= x_max"));
  EXPECT_TRUE(contains(refused([&] { ops::einsum("ab,bc", x, x); }), "expected subscripts"));
  EXPECT_TRUE(contains(refused([&] { ops::einsum("ab,bc->ac", x, x); }), "rank 2"));
  EXPECT_TRUE(contains(refused([&] { ops::max_pool(x, 2, 2); }), "expected images"));
  EXPECT_TRUE(contains(refused([&] { ops::add(x, Value()); }), "empty Value"));
  EXPECT_TRUE(contains(refused([&] { ops::random::dropout(x, 1.0); }), "rate in [0, 1)"));
  EXPECT_TRUE(contains(refused([&] { x + Input({4}); }), "broadcast"));
  EXPECT_TRUE(contains(refused([&] { ops::matmul(x, Input({2, 2})); }), "matmul"));
}

}  // namespace
}  // namespace stoker
