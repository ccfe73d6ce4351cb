#include "layers/normalization/standardize.h"

#include "ops/common.h"

namespace stoker::layers {

using graph::Expr;
using graph::Value;

// The variance is the mean of squared differences. The difference of the mean of squares and the
// square of the mean would lose all digits where the mean is large.
Value standardize(Value x, const std::vector<std::int64_t>& axes, double epsilon, Value gamma,
                  Value beta) {
  std::int64_t count = 1;
  for (const std::int64_t axis : axes) count *= x.shape()[static_cast<std::size_t>(axis)];
  const Value mean = ops::reduce_mean(x, axes, true);
  const Value variance = ops::reduce(
      ops::ReduceKind::sum, x, mean, [](Expr value, Expr m) { return square(value - m); }, axes,
      true, static_cast<float>(1.0 / static_cast<double>(count)));
  const Value scale =
      ops::map(variance, [&](Expr v) { return rsqrt(v + static_cast<float>(epsilon)); });

  std::vector<Value> inputs{x, mean, scale};
  graph::Expression expression;
  const auto input = [&](int i) { return Expr{&expression, expression.input(i)}; };
  Expr y = (input(0) - input(1)) * input(2);
  for (const Value& weight : {gamma, beta}) {
    if (!weight) continue;
    const Expr next = input(static_cast<int>(inputs.size()));
    y = weight == gamma ? y * next : y + next;
    inputs.push_back(weight);
  }
  expression.add_output(y.id);
  return ops::pointwise(std::move(inputs), std::move(expression))[0];
}

// Keras limits the reciprocal of the norm. Limiting the sum of squares gives the same numbers, and
// a gradient that is finite where x is 0.
Value unit_vectors(Value x, const std::vector<std::int64_t>& axes, double epsilon) {
  const Value squares = ops::reduce(
      ops::ReduceKind::sum, x, [](Expr value) { return square(value); }, axes, true);
  const auto least = static_cast<float>(epsilon * epsilon);
  return ops::cast(
      ops::map(x, squares,
               [least](Expr value, Expr sum) { return value * rsqrt(max(sum, least)); }),
      x.dtype());
}

}  // namespace stoker::layers
