// GaussianNoise adds normal noise while training, and GaussianDropout (Srivastava et al. 2014,
// section 10) multiplies by it.
#include <cmath>

#include "core/check.h"
#include "layers/fields.h"
#include "layers/registry.h"
#include "layers/regularization/noise.h"

namespace stoker {
namespace {

using graph::Expr;

struct GaussianNoiseArguments {
  double stddev = 0.0;
  NoiseOptions options{};
};

void describe(Fields& fields, GaussianNoiseArguments& noise) {
  layers::describe_common(fields, noise.options);
  fields.required("stddev", noise.stddev);
  fields("seed", noise.options.seed);
}

class GaussianNoiseLayer final : public layers::DescribedLayer<GaussianNoiseArguments> {
 public:
  explicit GaussianNoiseLayer(GaussianNoiseArguments arguments)
      : DescribedLayer("GaussianNoise", std::move(arguments)) {
    supports_masking = true;
    check::require(label(), "a stddev", arguments_.stddev, check::closed(0, 1));
  }

  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    x = context.to_compute(x);
    if (!context.training() || arguments_.stddev == 0.0) return x;
    const auto stddev = static_cast<float>(arguments_.stddev);
    return layers::with_normal_noise(
        context, arguments_.options.seed, x,
        [stddev](Expr value, Expr noise) { return value + noise * stddev; });
  }
};

struct GaussianDropoutArguments {
  double rate = 0.0;
  NoiseOptions options{};
};

void describe(Fields& fields, GaussianDropoutArguments& dropout) {
  layers::describe_common(fields, dropout.options);
  fields.required("rate", dropout.rate);
  fields("seed", dropout.options.seed);
}

class GaussianDropoutLayer final : public layers::DescribedLayer<GaussianDropoutArguments> {
 public:
  explicit GaussianDropoutLayer(GaussianDropoutArguments arguments)
      : DescribedLayer("GaussianDropout", std::move(arguments)) {
    supports_masking = true;
    check::require(label(), "a rate", arguments_.rate, check::half_open(0, 1));
  }

  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    x = context.to_compute(x);
    const double rate = arguments_.rate;
    if (!context.training() || rate == 0.0) return x;
    const auto stddev = static_cast<float>(std::sqrt(rate / (1.0 - rate)));
    return layers::with_normal_noise(
        context, arguments_.options.seed, x,
        [stddev](Expr value, Expr noise) { return value * (noise * stddev + 1.0f); });
  }
};

}  // namespace

Layer GaussianNoise(double stddev, NoiseOptions options) {
  return Layer(
      std::make_shared<GaussianNoiseLayer>(GaussianNoiseArguments{stddev, std::move(options)}));
}
Layer GaussianDropout(double rate, NoiseOptions options) {
  return Layer(
      std::make_shared<GaussianDropoutLayer>(GaussianDropoutArguments{rate, std::move(options)}));
}

Layer layers::make_GaussianNoise(Fields& fields) {
  return Layer(std::make_shared<GaussianNoiseLayer>(fields.all<GaussianNoiseArguments>()));
}
Layer layers::make_GaussianDropout(Fields& fields) {
  return Layer(std::make_shared<GaussianDropoutLayer>(fields.all<GaussianDropoutArguments>()));
}

}  // namespace stoker
