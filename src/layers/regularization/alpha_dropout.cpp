// AlphaDropout (Klambauer et al.: "Self-normalizing neural networks", 2017, section "New dropout
// technique") sets dropped elements to SELU's limit -alpha scale, and then stretches and shifts all
// so that mean and variance stay.
#include <cmath>

#include "core/check.h"
#include "layers/fields.h"
#include "layers/registry.h"
#include "layers/regularization/noise.h"

namespace stoker {
namespace {

using graph::Expr;

struct AlphaDropoutArguments {
  double rate = 0.0;
  DropoutOptions options{};
};

void describe(Fields& fields, AlphaDropoutArguments& dropout) {
  layers::describe_common(fields, dropout.options);
  fields.required("rate", dropout.rate);
  fields("seed", dropout.options.seed);
  std::optional<Shape> noise_shape;
  if (dropout.options.noise_shape.rank() > 0) noise_shape = dropout.options.noise_shape;
  fields("noise_shape", noise_shape);
  dropout.options.noise_shape = noise_shape.value_or(Shape());
}

class AlphaDropoutLayer final : public layers::DescribedLayer<AlphaDropoutArguments> {
 public:
  explicit AlphaDropoutLayer(AlphaDropoutArguments arguments)
      : DescribedLayer("AlphaDropout", std::move(arguments)) {
    supports_masking = true;
    check::require(label(), "a rate", arguments_.rate, check::half_open(0, 1));
  }

  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    const DropoutOptions& options = arguments_.options;
    const double rate = arguments_.rate;
    const Shape shape = layers::mask_shape(options.noise_shape, x);
    x = context.to_compute(x);
    if (!context.training() || rate == 0.0) return x;
    constexpr double kDropped = -1.6732632423543772 * 1.0507009873554805;
    const double stretch = 1.0 / std::sqrt((1.0 - rate) * (1.0 + rate * kDropped * kDropped));
    const auto a = static_cast<float>(stretch);
    const auto b = static_cast<float>(-stretch * kDropped * rate);
    const auto dropped = static_cast<float>(kDropped);
    return layers::with_mask(
        x, shape, layers::noise_stream(context, options.seed),
        [&](Expr uniform) { return 1.0f - less(uniform, static_cast<float>(rate)); },
        [&](Expr value, Expr kept) { return (value * kept + dropped * (1.0f - kept)) * a + b; });
  }
};

}  // namespace

Layer AlphaDropout(double rate, DropoutOptions options) {
  return Layer(
      std::make_shared<AlphaDropoutLayer>(AlphaDropoutArguments{rate, std::move(options)}));
}

Layer layers::make_AlphaDropout(Fields& fields) {
  return Layer(std::make_shared<AlphaDropoutLayer>(fields.all<AlphaDropoutArguments>()));
}

}  // namespace stoker
