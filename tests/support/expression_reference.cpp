#include "support/expression_reference.h"

#include <cmath>
#include <cstddef>

#include "stoker/random.h"

namespace stoker::test {

using graph::ExprOp;

double evaluate_op(ExprOp op, double a, double b, double c) {
  switch (op) {
    case ExprOp::neg:
      return -a;
    case ExprOp::abs:
      return std::fabs(a);
    case ExprOp::sign:
      return std::isnan(a) ? a : static_cast<double>((a > 0) - (a < 0));
    case ExprOp::floor:
      return std::floor(a);
    case ExprOp::exp:
      return std::exp(a);
    case ExprOp::expm1:
      return std::expm1(a);
    case ExprOp::log:
      return std::log(a);
    case ExprOp::log1p:
      return std::log1p(a);
    case ExprOp::sqrt:
      return std::sqrt(a);
    case ExprOp::rsqrt:
      return 1 / std::sqrt(a);
    case ExprOp::reciprocal:
      return 1 / a;
    case ExprOp::tanh:
      return std::tanh(a);
    case ExprOp::sigmoid:
      return a < 0 ? std::exp(a) / (1 + std::exp(a)) : 1 / (1 + std::exp(-a));
    case ExprOp::relu:
      return std::isnan(a) ? a : std::fmax(a, 0.0);
    case ExprOp::erf:
      return std::erf(a);
    case ExprOp::sin:
      return std::sin(a);
    case ExprOp::cos:
      return std::cos(a);
    case ExprOp::is_finite:
      return std::isfinite(a);
    case ExprOp::to_bfloat16:
      return static_cast<float>(bfloat16(static_cast<float>(a)));
    case ExprOp::to_float16:
      return static_cast<float>(float16(static_cast<float>(a)));
    case ExprOp::add:
      return a + b;
    case ExprOp::sub:
      return a - b;
    case ExprOp::mul:
      return a * b;
    case ExprOp::div:
      return a / b;
    case ExprOp::minimum:
      return std::isnan(a) || std::isnan(b) ? a + b : std::fmin(a, b);
    case ExprOp::maximum:
      return std::isnan(a) || std::isnan(b) ? a + b : std::fmax(a, b);
    case ExprOp::pow:
      return std::pow(a, b);
    case ExprOp::less:
      return a < b;
    case ExprOp::less_equal:
      return a <= b;
    case ExprOp::equal:
      return a == b;
    case ExprOp::select:
      return a != 0 ? b : c;
    case ExprOp::input:
    case ExprOp::constant:
    case ExprOp::uniform:
    case ExprOp::range_value:
      break;
  }
  return std::nan("");
}

namespace {

double uniform(std::int32_t stream, const ElementContext& context) {
  const std::uint64_t block = context.element / 4;
  // The low half of the block number, then its high half: zero for anything that fits in memory.
  const PhiloxCounter words = philox4x32(
      {static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
       static_cast<std::uint32_t>(stream), context.step},
      {static_cast<std::uint32_t>(context.seed), static_cast<std::uint32_t>(context.seed >> 32)});
  return unit_float(words[context.element % 4]);
}

}  // namespace

std::vector<double> evaluate(const graph::Expression& expression, std::span<const double> inputs,
                             const ElementContext& context) {
  std::vector<double> values;
  const auto at = [&](std::int32_t id) {
    return id < 0 ? 0.0 : values[static_cast<std::size_t>(id)];
  };
  for (const graph::Instruction& in : expression.instructions()) {
    switch (in.op) {
      case ExprOp::input:
        values.push_back(inputs[static_cast<std::size_t>(in.index)]);
        break;
      case ExprOp::constant:
        values.push_back(in.value);
        break;
      case ExprOp::uniform:
        values.push_back(uniform(in.index, context));
        break;
      case ExprOp::range_value:
        values.push_back(context.range_value);
        break;
      default:
        values.push_back(evaluate_op(in.op, at(in.a), at(in.b), at(in.c)));
    }
  }
  std::vector<double> outputs;
  for (const std::int32_t output : expression.outputs()) outputs.push_back(at(output));
  return outputs;
}

}  // namespace stoker::test
