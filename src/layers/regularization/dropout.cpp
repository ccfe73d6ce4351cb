// Dropout (Srivastava et al. 2014) scales the kept elements while training.
#include "core/check.h"
#include "layers/fields.h"
#include "layers/registry.h"
#include "layers/regularization/noise.h"

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
    const Shape shape = layers::mask_shape(options_.noise_shape, x);
    x = context.to_compute(x);
    if (!context.training() || rate_ == 0.0) return x;
    return layers::with_mask(
        x, shape, layers::noise_stream(context, options_.seed),
        [this](Expr uniform) { return layers::dropout_mask(uniform, rate_); },
        [](Expr value, Expr mask) { return value * mask; });
  }

 private:
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
