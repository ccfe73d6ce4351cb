#include "layers/regularization/noise.h"

#include "ops/common.h"
#include "stoker/random.h"

namespace stoker::layers {

using graph::Expr;

std::uint32_t noise_stream(BuildContext& context, const std::optional<std::uint64_t>& seed,
                           std::uint32_t purpose) {
  if (!seed) return context.random_stream(purpose);
  const auto low = static_cast<std::uint32_t>(*seed);
  const auto high = static_cast<std::uint32_t>(*seed >> 32);
  return philox4x32({low, high, purpose / 4, 0}, {0x64726f70U, 0x6f757421U})[purpose % 4];
}

Expr uniform(graph::Expression* expression, std::uint32_t stream) {
  return {expression, expression->append({.op = graph::ExprOp::uniform,
                                          .index = static_cast<std::int32_t>(stream)})};
}

// Box, Muller: "A note on the generation of random normal deviates", 1958. The logarithm is of a
// number in (0, 1], so it is finite.
Expr standard_normal(graph::Expression* expression, std::uint32_t radius_stream,
                     std::uint32_t angle_stream) {
  constexpr float kTwoPi = 6.283185307179586f;
  const Expr radius = sqrt(log(1.0f - uniform(expression, radius_stream)) * -2.0f);
  const Expr angle = uniform(expression, angle_stream) * kTwoPi;
  return radius * apply(graph::ExprOp::cos, angle);
}

graph::Value with_normal_noise(BuildContext& context, const std::optional<std::uint64_t>& seed,
                               graph::Value x, const std::function<Expr(Expr, Expr)>& f) {
  const std::uint32_t radius_stream = noise_stream(context, seed, 0);
  const std::uint32_t angle_stream = noise_stream(context, seed, 1);
  return ops::map(x, [&](Expr value) {
    return f(value, standard_normal(value.expression, radius_stream, angle_stream));
  });
}

Shape mask_shape(const Shape& noise_shape, graph::Value x) {
  if (noise_shape.rank() == 0) return x.shape();
  bool fits = noise_shape.rank() == x.shape().rank();
  Shape shape = x.shape();
  for (std::size_t axis = 0; fits && axis < shape.rank(); ++axis) {
    const std::int64_t extent = noise_shape[axis];
    // While shapes are checked the batch is unknown, and any batch extent of noise_shape fits.
    fits = extent == 1 || extent == Shape::kUnknown || extent == shape[axis] ||
           (axis == 0 && shape[axis] == Shape::kUnknown);
    if (extent == 1) shape[axis] = 1;
  }
  ops::require(fits, *x.graph, "noise_shape ", noise_shape, " does not fit input ", x.shape(),
               ". Each extent is 1, -1 or the input's, and the batch stands first");
  return shape;
}

graph::Value with_mask(graph::Value x, const Shape& shape, std::uint32_t stream,
                       const std::function<Expr(Expr)>& mask,
                       const std::function<Expr(Expr, Expr)>& f) {
  if (shape == x.shape()) {
    return ops::map(x,
                    [&](Expr value) { return f(value, mask(uniform(value.expression, stream))); });
  }
  graph::Expression expression;
  expression.add_output(mask(uniform(&expression, stream)).id);
  const graph::Value shared = ops::pointwise(*x.graph, shape, {}, expression)[0];
  return ops::cast(ops::map(x, shared, f), x.dtype());
}

Expr dropout_mask(Expr uniform, double rate) {
  const auto constant = [&](double value) {
    return Expr{uniform.expression, uniform.expression->constant(static_cast<float>(value))};
  };
  const Expr keep = constant(1.0 / (1.0 - rate));
  const Expr drop = constant(0.0);
  return select(less(uniform, static_cast<float>(rate)), drop, keep);
}

}  // namespace stoker::layers
