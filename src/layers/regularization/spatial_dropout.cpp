// SpatialDropout1D, 2D and 3D (Tompson et al.: "Efficient object localization using convolutional
// networks", 2015): dropout whose mask is shared by all places of a channel.
#include "core/check.h"
#include "layers/fields.h"
#include "layers/registry.h"
#include "layers/regularization/noise.h"

namespace stoker {
namespace {

using graph::Expr;

// The class for one number of spatial axes.
struct Dimensions {
  const char* class_name;
  std::size_t count;
  const char* advice;
};
constexpr Dimensions k1D{"SpatialDropout1D", 1, "Sequences are (batch, steps, channels)"};
constexpr Dimensions k2D{"SpatialDropout2D", 2, "Images are (batch, height, width, channels)"};
constexpr Dimensions k3D{"SpatialDropout3D", 3,
                         "Volumes are (batch, depth, height, width, channels)"};

template <const Dimensions& dimensions>
struct SpatialDropoutArguments {
  double rate = 0.0;
  NoiseOptions options{};
};

template <const Dimensions& dimensions>
void describe(Fields& fields, SpatialDropoutArguments<dimensions>& dropout) {
  layers::describe_without_trainable(fields, dropout.options.name, dropout.options.dtype);
  fields.required("rate", dropout.rate);
  fields("seed", dropout.options.seed);
  if (dimensions.count > 1) fields.always("data_format", "channels_last");
}

template <const Dimensions& dimensions>
class SpatialDropoutLayer final
    : public layers::DescribedLayer<SpatialDropoutArguments<dimensions>> {
 public:
  explicit SpatialDropoutLayer(SpatialDropoutArguments<dimensions> arguments)
      : layers::DescribedLayer<SpatialDropoutArguments<dimensions>>(dimensions.class_name,
                                                                    std::move(arguments)) {
    this->supports_masking = true;
    check::require(this->label(), "a rate", this->arguments_.rate, check::half_open(0, 1));
  }

  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    layers::require_rank(x, dimensions.count + 2, dimensions.advice);
    x = context.to_compute(x);
    const double rate = this->arguments_.rate;
    if (!context.training() || rate == 0.0) return x;
    Shape shape = x.shape();
    for (std::size_t axis = 1; axis + 1 < shape.rank(); ++axis) shape[axis] = 1;
    return layers::with_mask(
        x, shape, layers::noise_stream(context, this->arguments_.options.seed),
        [rate](Expr uniform) { return layers::dropout_mask(uniform, rate); },
        [](Expr value, Expr mask) { return value * mask; });
  }
};

template <const Dimensions& dimensions>
Layer make(double rate, NoiseOptions options) {
  return Layer(std::make_shared<SpatialDropoutLayer<dimensions>>(
      SpatialDropoutArguments<dimensions>{rate, std::move(options)}));
}
template <const Dimensions& dimensions>
Layer make(Fields& fields) {
  return Layer(std::make_shared<SpatialDropoutLayer<dimensions>>(
      fields.all<SpatialDropoutArguments<dimensions>>()));
}

}  // namespace

Layer SpatialDropout1D(double rate, NoiseOptions options) {
  return make<k1D>(rate, std::move(options));
}
Layer SpatialDropout2D(double rate, NoiseOptions options) {
  return make<k2D>(rate, std::move(options));
}
Layer SpatialDropout3D(double rate, NoiseOptions options) {
  return make<k3D>(rate, std::move(options));
}
Layer layers::make_SpatialDropout1D(Fields& fields) { return make<k1D>(fields); }
Layer layers::make_SpatialDropout2D(Fields& fields) { return make<k2D>(fields); }
Layer layers::make_SpatialDropout3D(Fields& fields) { return make<k3D>(fields); }

}  // namespace stoker
