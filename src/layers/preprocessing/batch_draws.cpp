#include "layers/preprocessing/batch_draws.h"

#include <utility>
#include <vector>

#include "ops/common.h"

namespace stoker::layers {

using graph::Expr;
using graph::Expression;
using graph::Value;

// Marsaglia, Tsang: "A simple method for generating gamma variables", 2000, for alpha + 1, which a
// power of a uniform number turns into alpha (section 6). A try succeeds with a probability of 0.95
// at least; where six fail, which happens once in 10^7 cases, the mode is taken.
Expr log_gamma(ImageDraws& draws, Expression& expression, std::uint32_t index, Expr alpha) {
  constexpr std::uint32_t kTries = (kGammaDraws - 1) / 3;
  const Expr d = alpha + (1.0f - 1.0f / 3.0f);
  const Expr c = 1.0f / sqrt(d * 9.0f);
  const auto one_minus_uniform = [&](std::uint32_t of) {  // in (0, 1], for a logarithm
    return 1.0f - draws.between(expression, of, 0.0, 1.0);
  };
  Expr found = log(d);
  for (std::uint32_t i = 0; i < kTries; ++i) {
    const Expr x = draws.normal(expression, index + 3 * i);
    const Expr root = c * x + 1.0f;
    const Expr log_v = log(max(root, 1e-6f)) * 3.0f;
    const Expr limit = x * x * 0.5f + d - d * exp(log_v) + d * log_v;
    const Expr fits = less(0.0f, root) * less(log(one_minus_uniform(index + 3 * i + 2)), limit);
    found = select(fits, log(d) + log_v, found);
  }
  return found + log(one_minus_uniform(index + kGammaDraws - 1)) / alpha;
}

Expr beta(ImageDraws& draws, Expression& expression, std::uint32_t index, Expr alpha) {
  const Expr one = log_gamma(draws, expression, index, alpha);
  return sigmoid(one - log_gamma(draws, expression, index + kGammaDraws, alpha));
}

// A row's place is the number of rows with a smaller key. A second key decides between equal ones,
// of which a large batch may have some among 2^24.
Value random_order(ImageDraws& draws, std::uint32_t index, Value x) {
  const std::int64_t batch = x.shape()[0];
  std::vector<Value> keys;
  for (std::uint32_t i = 0; i < 2; ++i) {
    Expression expression;
    expression.add_output(draws.between(expression, index + i, 0.0, 1.0).id);
    const Value key = ops::pointwise(*x.graph, Shape{batch, 1}, {}, expression)[0];
    keys.push_back(key);
    keys.push_back(ops::reshape(key, {1, batch}));
  }
  Expression expression;
  const auto input = [&](int i) { return Expr{&expression, expression.input(i)}; };
  const Expr is_smaller =
      less(input(1), input(0)) + equal(input(1), input(0)) * less(input(3), input(2));
  expression.add_output(is_smaller.id);
  return ops::reduce(ops::ReduceKind::sum, std::move(keys), expression, {1});
}

Value in_order(Value x, Value order) {
  const Shape shape = x.shape();
  std::int64_t elements = 1;
  for (std::size_t axis = 1; axis < shape.rank(); ++axis) elements *= shape[axis];
  const Value rows = ops::reshape(ops::to_float(x), {shape[0], elements});
  return ops::reshape(ops::embedding(rows, order), shape);
}

Rectangles random_rectangles(ImageDraws& draws, std::uint32_t index, Value images, Value of_height,
                             Value of_width) {
  graph::Graph& graph = *images.graph;
  // 1 where a place along the axis lies within the side.
  const auto along = [&](std::size_t axis, Value side, std::uint32_t draw) {
    const std::int64_t extent = images.shape()[axis];
    const auto length = static_cast<float>(extent);
    Expression expression;
    expression.add_output(draws.between(expression, draw, 0.0, 1.0).id);
    const Value place = ops::pointwise(graph, {images.shape()[0], 1, 1, 1}, {}, expression)[0];
    std::vector<float> numbers;
    for (std::int64_t i = 0; i < extent; ++i) numbers.push_back(static_cast<float>(i));
    Shape shape{1, 1, 1, 1};
    shape[axis] = extent;
    const Value at = ops::constant(graph, shape, std::move(numbers));
    return ops::map(side, place, at, [=](Expr share, Expr uniform, Expr i) {
      const Expr first = uniform * (length - share * length);
      return less_equal(first, i) * less(i, first + share * length);
    });
  };
  const Value rows = along(1, of_height, index + 1), columns = along(2, of_width, index);
  return {ops::multiply(rows, columns), ops::multiply(of_height, of_width)};
}

}  // namespace stoker::layers
