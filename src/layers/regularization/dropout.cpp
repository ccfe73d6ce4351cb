// Dropout (Srivastava et al. 2014) scales the kept elements while training. The mask is part of the
// expression: the backward pass draws it again from the same counters, so it is never stored.
#include "core/check.h"
#include "layers/fields.h"
#include "layers/registry.h"
#include "ops/common.h"
#include "stoker/error.h"
#include "stoker/random.h"

namespace stoker {
namespace {

using graph::Expr;

struct DropoutArguments {
  double rate = 0.0;
  DropoutOptions options{};
};

void describe(Fields& fields, DropoutArguments& dropout) {
  layers::describe_common(fields, dropout.options);
  fields.required("rate", dropout.rate);
  fields("seed", dropout.options.seed);
  // Without shared axes the shape has no extents here, and is null in Keras.
  std::optional<Shape> noise_shape;
  if (dropout.options.noise_shape.rank() > 0) noise_shape = dropout.options.noise_shape;
  fields("noise_shape", noise_shape);
  dropout.options.noise_shape = noise_shape.value_or(Shape());
}

class DropoutLayer final : public layers::DescribedLayer<DropoutArguments> {
 public:
  explicit DropoutLayer(DropoutArguments arguments)
      : DescribedLayer("Dropout", std::move(arguments)) {
    supports_masking = true;
    check::require(label(), "a rate", rate_, check::half_open(0, 1));
  }

  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    const Shape mask_shape = mask_shape_for(x);
    x = context.to_compute(x);
    if (!context.training() || rate_ == 0.0) return x;

    const std::uint32_t stream = stream_of(context);
    if (mask_shape == x.shape()) {
      return ops::map(x, [&](Expr value) { return value * mask(value.expression, stream); });
    }
    graph::Expression expression;
    expression.add_output(mask(&expression, stream).id);
    const graph::Value shared = ops::pointwise(context.graph(), mask_shape, {}, expression)[0];
    return ops::cast(ops::multiply(x, shared), x.dtype());
  }

 private:
  // The factor is 0 where the element is dropped, and 1 / (1 - rate) elsewhere.
  Expr mask(graph::Expression* expression, std::uint32_t stream) const {
    const Expr uniform{expression,
                       expression->append({.op = graph::ExprOp::uniform,
                                           .index = static_cast<std::int32_t>(stream)})};
    const Expr keep{expression, expression->constant(static_cast<float>(1.0 / (1.0 - rate_)))};
    const Expr drop{expression, expression->constant(0.0f)};
    return select(less(uniform, static_cast<float>(rate_)), drop, keep);
  }

  Shape mask_shape_for(graph::Value x) const {
    const Shape& noise = options_.noise_shape;
    if (noise.rank() == 0) return x.shape();
    bool fits = noise.rank() == x.shape().rank();
    Shape shape = x.shape();
    for (std::size_t axis = 0; fits && axis < shape.rank(); ++axis) {
      const std::int64_t extent = noise[axis];
      // While shapes are checked the batch is unknown, and any batch extent of noise_shape fits.
      fits = extent == 1 || extent == Shape::kUnknown || extent == shape[axis] ||
             (axis == 0 && shape[axis] == Shape::kUnknown);
      if (extent == 1) shape[axis] = 1;
    }
    ops::require(fits, *x.graph, "noise_shape ", noise, " does not fit input ", x.shape(),
                 ". Each extent is 1, -1 or the input's, and the batch stands first");
    return shape;
  }

  // A layer with a seed of its own takes its stream from the seed, wherever it is in the model.
  std::uint32_t stream_of(layers::BuildContext& context) const {
    if (!options_.seed) return context.random_stream();
    const auto low = static_cast<std::uint32_t>(*options_.seed);
    const auto high = static_cast<std::uint32_t>(*options_.seed >> 32);
    return philox4x32({low, high, 0, 0}, {0x64726f70U, 0x6f757421U})[0];
  }

  const double rate_ = arguments_.rate;
  const DropoutOptions& options_ = arguments_.options;
};

}  // namespace

Layer Dropout(double rate, DropoutOptions options) {
  return Layer(std::make_shared<DropoutLayer>(DropoutArguments{rate, std::move(options)}));
}

Layer layers::make_Dropout(Fields& fields) {
  return Layer(std::make_shared<DropoutLayer>(fields.all<DropoutArguments>()));
}

}  // namespace stoker
