// RandomSharpness and RandomGaussianBlur: layers that mix pixels with those around them.
#include <utility>

#include "core/check.h"
#include "layers/preprocessing/color_layers.h"
#include "layers/preprocessing/gaussian.h"
#include "layers/registry.h"
#include "ops/common.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Expression;
using graph::Value;

// ---- RandomSharpness ---------------------------------------------------------------------------
struct SharpnessArguments {
  PositiveFactor factor{0.0};
  RandomColorOptions options{};
};
void describe(Fields& fields, SharpnessArguments& sharpness) {
  layers::describe_color_options(fields, sharpness.options);
  fields.required("factor", sharpness.factor);
}

class SharpnessLayer final : public layers::ColorLayer<SharpnessArguments> {
 public:
  explicit SharpnessLayer(SharpnessArguments arguments)
      : ColorLayer("RandomSharpness", std::move(arguments)) {
    layers::require_factor(*this, "a factor", arguments_.factor.range, 0, 1);
    require_value_range();
  }

 protected:
  // A smooth pixel is the mean of nine, of which the one in the middle counts five times. Pixels
  // outside of the image are 0.
  Value change(Value images, layers::ImageDraws& draws) const override {
    const Value factors = layers::of_each_image(images, [&](Expression& expression) {
      return draws.between(expression, 0, arguments_.factor.range) * 2.0f;
    });
    const Value x = ops::to_float(images);
    Value sum = ops::pad(x, {0, 1, 1, 0}, {0, 1, 1, 0});
    for (const std::int64_t axis : {1, 2}) {
      const std::int64_t extent = x.shape()[static_cast<std::size_t>(axis)];
      const auto moved = [&](std::int64_t by) { return ops::slice(sum, axis, by, extent); };
      sum = ops::map(moved(0), moved(1), moved(2),
                     [](Expr before, Expr at, Expr after) { return before + at + after; });
    }
    return ops::map(x, sum, factors, [this](Expr value, Expr of_nine, Expr factor) {
      const Expr smooth = (of_nine + value * 4.0f) * (1.0f / 13.0f);
      return within_range(value + (1.0f - factor) * (smooth - value));
    });
  }
};

// ---- RandomGaussianBlur ------------------------------------------------------------------------
struct BlurArguments {
  RandomGaussianBlurOptions options{};
};
void describe(Fields& fields, BlurArguments& arguments) {
  RandomGaussianBlurOptions& options = arguments.options;
  layers::describe_layout(fields, options);
  PositiveFactor factor = layers::positive(options.factor);
  PositiveFactor sigma = layers::positive(options.sigma);
  fields("factor", factor);
  fields("kernel_size", options.kernel_size);
  fields("sigma", sigma);
  fields("value_range", options.value_range);
  fields("seed", options.seed);
  options.factor = factor.range;
  options.sigma = sigma.range;
}

class BlurLayer final : public layers::ColorLayer<BlurArguments> {
 public:
  explicit BlurLayer(BlurArguments arguments)
      : ColorLayer("RandomGaussianBlur", std::move(arguments)) {
    const RandomGaussianBlurOptions& options = arguments_.options;
    layers::require_factor(*this, "a factor", options.factor, 0, 1);
    layers::require_factor(*this, "a sigma", options.sigma, 0, 1);
    for (const std::int64_t size : {options.kernel_size.height, options.kernel_size.width}) {
      layers::require_along_axis(*this, "a kernel_size", size);
      if (size % 2 == 0) {
        throw ValueError(format(label(), ": expected an odd kernel_size, received ", size));
      }
    }
    require_value_range();
  }

 protected:
  Value change(Value images, layers::ImageDraws& draws) const override {
    const RandomGaussianBlurOptions& options = arguments_.options;
    const Value is_blurred = layers::of_each_image(images, [&](Expression& expression) {
      return draws.happens(expression, 0, options.factor);
    });
    // As in Keras all images of a batch have the same deviations, and the first of the two numbers
    // of either option is that along the width.
    const auto deviation = [&](std::uint32_t index) {
      Expression expression;
      expression.add_output((draws.between(expression, index, options.sigma) + 1e-6f).id);
      return ops::pointwise(*images.graph, Shape{1, 1, 1, 1}, {}, expression)[0];
    };
    const Value x = ops::to_float(images);
    Value blurred = layers::blurred(x, 2, options.kernel_size.height, deviation(2));
    blurred = layers::blurred(blurred, 1, options.kernel_size.width, deviation(3));
    return ops::map(x, blurred, is_blurred, [this](Expr sharp, Expr smooth, Expr is) {
      return within_range(select(is, smooth, sharp));
    });
  }
};

}  // namespace

Layer RandomSharpness(Factor factor, RandomColorOptions options) {
  return layers::make_layer<SharpnessLayer>(
      SharpnessArguments{layers::positive(factor), std::move(options)});
}
Layer RandomGaussianBlur(RandomGaussianBlurOptions options) {
  options.factor = layers::positive(options.factor).range;
  options.sigma = layers::positive(options.sigma).range;
  return layers::make_layer<BlurLayer>(BlurArguments{std::move(options)});
}
Layer layers::make_RandomSharpness(Fields& fields) {
  return make_layer<SharpnessLayer>(fields.all<SharpnessArguments>());
}
Layer layers::make_RandomGaussianBlur(Fields& fields) {
  return make_layer<BlurLayer>(fields.all<BlurArguments>());
}

}  // namespace stoker
