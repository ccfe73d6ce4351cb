// Functions of single elements. Each is one expression, so that a chain of them is one pass over
// memory.
#include <cmath>
#include <limits>

#include "core/fields.h"
#include "custom/function.h"
#include "custom/spliced.h"
#include "layers/layer.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker::functions {
namespace {

Expr constant(Expr beside, double value) {
  return {beside.expression, beside.expression->constant(static_cast<float>(value))};
}
Expr is_zero(Expr x) { return graph::equal(x, 0.0f); }

// Halves go to the even number: the sum with 1.5 * 2^23 has no digits behind the point. Larger
// numbers have none as they are.
Expr rounded_to_even(Expr x) {
  const Expr nearest = graph::floor(x + 0.5f);
  const Expr is_half = graph::equal(nearest - x, 0.5f);
  const Expr is_odd = graph::equal(nearest - graph::floor(nearest * 0.5f) * 2.0f, 1.0f);
  const Expr even = graph::select(is_half * is_odd, nearest - 1.0f, nearest);
  return graph::select(graph::less(graph::abs(x), 8388608.0f), even, x);
}

std::vector<Tensor> map_one(const FunctionCall& call, const std::function<Expr(Expr)>& f) {
  return {map_spliced(call.x(), f)};
}

std::vector<Tensor> activated(const FunctionCall& call, const ActivationFunction& function) {
  return {layers::activate(call.x(), function)};
}

// A function of two operands, each of which is an input, or a number among the arguments.
std::vector<Tensor> map_two(const FunctionCall& call, const std::function<Expr(Expr, Expr)>& f) {
  const Config* first = call.arguments.find("x1");
  const Config* second = call.arguments.find("x2");
  if (first == nullptr && second == nullptr) {
    if (call.inputs.size() != 2) throw ValueError("expected two values");
    return {map_spliced(call.inputs,
                        [&](std::span<const Expr> parts) { return f(parts[0], parts[1]); })};
  }
  const double number = (first != nullptr ? *first : *second).number();
  return {map_spliced(call.x(), [&](Expr x) {
    const Expr other = constant(x, number);
    return first != nullptr ? f(other, x) : f(x, other);
  })};
}

Config number_at(const char* place, double number) { return Config::map({{place, number}}); }

}  // namespace

// STOKER_UNARY(name, expression of x)
#define STOKER_UNARY(name, formula)                               \
  std::vector<Tensor> build_##name(const FunctionCall& call) {    \
    return map_one(call, [](Expr x) -> Expr { return formula; }); \
  }                                                               \
  stoker::Value name(const stoker::Value& x) { return apply(#name, {x}); }
STOKER_UNARY(abs, graph::abs(x))
STOKER_UNARY(sign, graph::sign(x))
STOKER_UNARY(floor, graph::floor(x))
STOKER_UNARY(ceil, -graph::floor(-x))
STOKER_UNARY(round, rounded_to_even(x))
STOKER_UNARY(square, graph::square(x))
STOKER_UNARY(sqrt, graph::sqrt(x))
STOKER_UNARY(rsqrt, graph::rsqrt(x))
STOKER_UNARY(reciprocal, graph::reciprocal(x))
STOKER_UNARY(exp, graph::exp(x))
STOKER_UNARY(expm1, graph::expm1(x))
STOKER_UNARY(log, graph::log(x))
STOKER_UNARY(log1p, graph::log1p(x))
STOKER_UNARY(log2, graph::log(x) * 1.44269504088896340736f)
STOKER_UNARY(log10, graph::log(x) * 0.43429448190325182765f)
STOKER_UNARY(sin, graph::apply(graph::ExprOp::sin, x))
STOKER_UNARY(cos, graph::apply(graph::ExprOp::cos, x))
STOKER_UNARY(tan, graph::apply(graph::ExprOp::sin, x) / graph::apply(graph::ExprOp::cos, x))
STOKER_UNARY(sinh, (graph::expm1(x) - graph::expm1(-x)) * 0.5f)
STOKER_UNARY(cosh, (graph::exp(x) + graph::exp(-x)) * 0.5f)
STOKER_UNARY(tanh, graph::tanh(x))
STOKER_UNARY(erf, graph::erf(x))
STOKER_UNARY(sigmoid, graph::sigmoid(x))
STOKER_UNARY(relu, graph::relu(x))
STOKER_UNARY(isfinite, graph::is_finite(x))
STOKER_UNARY(isnan, 1.0f - graph::equal(x, x))
STOKER_UNARY(isinf, graph::equal(graph::abs(x), std::numeric_limits<float>::infinity()))
STOKER_UNARY(logical_not, is_zero(x))
#undef STOKER_UNARY

// STOKER_ACTIVATION(name): the activation of that name.
#define STOKER_ACTIVATION(name)                                                                 \
  std::vector<Tensor> build_##name(const FunctionCall& call) { return activated(call, #name); } \
  stoker::Value name(const stoker::Value& x) { return apply(#name, {x}); }
STOKER_ACTIVATION(relu6)
STOKER_ACTIVATION(softplus)
STOKER_ACTIVATION(softsign)
STOKER_ACTIVATION(silu)
STOKER_ACTIVATION(selu)
STOKER_ACTIVATION(mish)
STOKER_ACTIVATION(hard_sigmoid)
STOKER_ACTIVATION(log_sigmoid)
#undef STOKER_ACTIVATION

std::vector<Tensor> build_negative(const FunctionCall& call) {
  return map_one(call, [](Expr x) { return -x; });
}

std::vector<Tensor> build_gelu(const FunctionCall& call) {
  return activated(call, {"gelu", {call.flag("approximate") ? 1.0 : 0.0}});
}
stoker::Value gelu(const stoker::Value& x, bool approximate) {
  return apply("gelu", {x}, Config::map({{"approximate", approximate}}));
}
std::vector<Tensor> build_elu(const FunctionCall& call) {
  return activated(call, {"elu", {call.number("alpha", 1.0)}});
}
stoker::Value elu(const stoker::Value& x, double alpha) {
  return apply("elu", {x}, Config::map({{"alpha", alpha}}));
}
std::vector<Tensor> build_leaky_relu(const FunctionCall& call) {
  return activated(call, {"leaky_relu", {call.number("negative_slope", 0.2)}});
}
stoker::Value leaky_relu(const stoker::Value& x, double negative_slope) {
  return apply("leaky_relu", {x}, Config::map({{"negative_slope", negative_slope}}));
}
std::vector<Tensor> build_activation(const FunctionCall& call) {
  return activated(call, activation_from_config(call.arguments.at("function")));
}
stoker::Value activation(const stoker::Value& x, const ActivationFunction& function) {
  return apply("activation", {x}, Config::map({{"function", function.config()}}));
}

std::vector<Tensor> build_clip(const FunctionCall& call) {
  const auto low = static_cast<float>(call.number("x_min", -INFINITY));
  const auto high = static_cast<float>(call.number("x_max", INFINITY));
  return map_one(call, [&](Expr x) { return graph::min(graph::max(x, low), high); });
}
stoker::Value clip(const stoker::Value& x, double x_min, double x_max) {
  if (!(x_min <= x_max)) {
    throw ValueError(
        format("ops::clip: expected x_min <= x_max, received ", x_min, " and ", x_max));
  }
  Config arguments = Config::map();
  // JSON has no infinity, so a bound that binds nothing is left out.
  if (std::isfinite(x_min)) arguments.set("x_min", x_min);
  if (std::isfinite(x_max)) arguments.set("x_max", x_max);
  return apply("clip", {x}, std::move(arguments));
}

// ---- Two operands ------------------------------------------------------------------------------
// STOKER_BINARY(name, expression of a and b)
#define STOKER_BINARY(name, formula)                                      \
  std::vector<Tensor> build_##name(const FunctionCall& call) {            \
    return map_two(call, [](Expr a, Expr b) -> Expr { return formula; }); \
  }                                                                       \
  stoker::Value name(const stoker::Value& x1, const stoker::Value& x2) {  \
    return apply(#name, {x1, x2});                                        \
  }
STOKER_BINARY(add, a + b)
STOKER_BINARY(subtract, a - b)
STOKER_BINARY(multiply, a* b)
STOKER_BINARY(divide, a / b)
STOKER_BINARY(logical_and, (1.0f - is_zero(a)) * (1.0f - is_zero(b)))
STOKER_BINARY(logical_or, 1.0f - is_zero(a) * is_zero(b))

// The same where the second may be a number.
#define STOKER_BINARY_OR_NUMBER(name, formula)             \
  STOKER_BINARY(name, formula)                             \
  stoker::Value name(const stoker::Value& x1, double x2) { \
    return apply(#name, {x1}, number_at("x2", x2));        \
  }
STOKER_BINARY_OR_NUMBER(maximum, graph::max(a, b))
STOKER_BINARY_OR_NUMBER(minimum, graph::min(a, b))
STOKER_BINARY_OR_NUMBER(power, graph::pow(a, b))
STOKER_BINARY_OR_NUMBER(equal, graph::equal(a, b))
STOKER_BINARY_OR_NUMBER(not_equal, 1.0f - graph::equal(a, b))
STOKER_BINARY_OR_NUMBER(less, graph::less(a, b))
STOKER_BINARY_OR_NUMBER(less_equal, graph::less_equal(a, b))
STOKER_BINARY_OR_NUMBER(greater, graph::less(b, a))
STOKER_BINARY_OR_NUMBER(greater_equal, graph::less_equal(b, a))
#undef STOKER_BINARY_OR_NUMBER
#undef STOKER_BINARY

std::vector<Tensor> build_where(const FunctionCall& call) {
  const Config* first = call.arguments.find("x1");
  const Config* second = call.arguments.find("x2");
  const auto choose = [](Expr condition, Expr a, Expr b) {
    return graph::select(is_zero(condition), b, a);
  };
  if (first != nullptr || second != nullptr) {
    if (call.inputs.size() != 2) throw ValueError("expected a condition and a value");
    const double number = (first != nullptr ? *first : *second).number();
    return {map_spliced(call.inputs, [&](std::span<const Expr> parts) {
      const Expr condition = parts[0], x = parts[1];
      const Expr other = constant(x, number);
      return first != nullptr ? choose(condition, other, x) : choose(condition, x, other);
    })};
  }
  if (call.inputs.size() != 3) throw ValueError("expected a condition and two values");
  return {map_spliced(call.inputs, [&](std::span<const Expr> parts) {
    return choose(parts[0], parts[1], parts[2]);
  })};
}
stoker::Value where(const stoker::Value& condition, const stoker::Value& x1,
                    const stoker::Value& x2) {
  return apply("where", {condition, x1, x2});
}
stoker::Value where(const stoker::Value& condition, const stoker::Value& x1, double x2) {
  return apply("where", {condition, x1}, number_at("x2", x2));
}
stoker::Value where(const stoker::Value& condition, double x1, const stoker::Value& x2) {
  return apply("where", {condition, x2}, number_at("x1", x1));
}

}  // namespace stoker::functions

namespace stoker {

#define STOKER_OPERATOR(symbol, name)                                                     \
  Value operator symbol(const Value& a, const Value& b) { return functions::name(a, b); } \
  Value operator symbol(const Value& a, double b) {                                       \
    return functions::apply(#name, {a}, Config::map({{"x2", b}}));                        \
  }                                                                                       \
  Value operator symbol(double a, const Value& b) {                                       \
    return functions::apply(#name, {b}, Config::map({{"x1", a}}));                        \
  }
STOKER_OPERATOR(+, add)
STOKER_OPERATOR(-, subtract)
STOKER_OPERATOR(*, multiply)
STOKER_OPERATOR(/, divide)
#undef STOKER_OPERATOR

Value operator-(const Value& x) { return functions::apply("negative", {x}); }

}  // namespace stoker
