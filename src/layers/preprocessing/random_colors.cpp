// Layers that change the colors of images while training.
#include <utility>

#include "core/check.h"
#include "layers/preprocessing/color_layers.h"
#include "layers/registry.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Expression;
using graph::Value;

using layers::ColorLayer;
using layers::of_each_image;
using layers::positive;

struct BrightnessArguments {
  Factor factor = 0.0;
  RandomColorOptions options{};
};
void describe(Fields& fields, BrightnessArguments& brightness) {
  layers::describe_color_options(fields, brightness.options);
  fields.required("factor", brightness.factor);
}

class BrightnessLayer final : public ColorLayer<BrightnessArguments> {
 public:
  explicit BrightnessLayer(BrightnessArguments arguments)
      : ColorLayer("RandomBrightness", std::move(arguments)) {
    layers::require_factor(*this, "a factor", arguments_.factor, -1, 1);
    require_value_range();
  }

 protected:
  Value change(Value images, layers::ImageDraws& draws) const override {
    const Value added = of_each_image(images, [&](Expression& expression) {
      return draws.between(expression, 0, arguments_.factor) * (highest() - lowest());
    });
    return ops::map(images, added, [this](Expr value, Expr more) {
      return min(max(value + more, lowest()), highest());
    });
  }
};

struct ContrastArguments {
  PositiveFactor factor{0.0};
  RandomColorOptions options{};
};
void describe(Fields& fields, ContrastArguments& contrast) {
  layers::describe_color_options(fields, contrast.options);
  fields.required("factor", contrast.factor);
}

class ContrastLayer final : public ColorLayer<ContrastArguments> {
 public:
  explicit ContrastLayer(ContrastArguments arguments)
      : ColorLayer("RandomContrast", std::move(arguments)) {
    layers::require_factor(*this, "a factor", arguments_.factor.range, 0, 1);
    require_value_range();
  }

 protected:
  Value change(Value images, layers::ImageDraws& draws) const override {
    const Factor& factor = arguments_.factor.range;
    const Value by = of_each_image(images, [&](Expression& expression) {
      return draws.between(expression, 0, 1.0 - factor.lower, 1.0 + factor.upper);
    });
    const Value mean = ops::reduce_mean(ops::to_float(images), {1, 2}, true);
    return ops::map(images, mean, by, [this](Expr value, Expr middle, Expr factor_of_image) {
      const Expr changed = (value - middle) * factor_of_image + middle;
      return min(max(changed, lowest()), highest());
    });
  }
};

// The gray image, (batch, height, width, 1), by the weights of red, green and blue in ITU-R BT.601.
Value gray_of(Value images) {
  const std::int64_t channels = images.shape()[3];
  ops::require(channels == 1 || channels == 3, *images.graph,
               "expected images of one channel or three, received ", images.shape());
  if (channels == 1) return images;
  const Value weights = ops::constant(*images.graph, {3}, {0.2989f, 0.587f, 0.114f});
  return ops::reduce(
      ops::ReduceKind::sum, images, weights, [](Expr x, Expr w) { return x * w; }, {3}, true);
}

struct GrayscaleArguments {
  double factor = 0.5;
  SeedOption options{};
};
void describe(Fields& fields, GrayscaleArguments& grayscale) {
  layers::describe_layout(fields, grayscale.options);
  fields("factor", grayscale.factor);
  fields("seed", grayscale.options.seed);
}

class GrayscaleLayer final : public ColorLayer<GrayscaleArguments> {
 public:
  explicit GrayscaleLayer(GrayscaleArguments arguments)
      : ColorLayer("RandomGrayscale", std::move(arguments)) {
    check::require(label(), "a factor", arguments_.factor, check::closed(0, 1));
  }

 protected:
  Value change(Value images, layers::ImageDraws& draws) const override {
    const Value gray = gray_of(images);
    const Value is_gray = of_each_image(images, [&](Expression& expression) {
      return less(draws.between(expression, 0, 0.0, 1.0), static_cast<float>(arguments_.factor));
    });
    return ops::map(images, gray, is_gray,
                    [](Expr color, Expr of_pixel, Expr is) { return select(is, of_pixel, color); });
  }
};

struct DegenerationArguments {
  PositiveFactor factor{Factor(0.0, 0.0)};
  RandomColorOptions options{};
};
void describe(Fields& fields, DegenerationArguments& degeneration) {
  layers::describe_color_options(fields, degeneration.options);
  fields.required("factor", degeneration.factor);
}

class DegenerationLayer final : public ColorLayer<DegenerationArguments> {
 public:
  explicit DegenerationLayer(DegenerationArguments arguments)
      : ColorLayer("RandomColorDegeneration", std::move(arguments)) {
    layers::require_factor(*this, "a factor", arguments_.factor.range, 0, 1);
    require_value_range();
  }

 protected:
  Value change(Value images, layers::ImageDraws& draws) const override {
    const Value share = of_each_image(images, [&](Expression& expression) {
      return draws.between(expression, 0, arguments_.factor.range);
    });
    return ops::map(images, gray_of(images), share, [this](Expr color, Expr gray, Expr of_gray) {
      return min(max(color + of_gray * (gray - color), lowest()), highest());
    });
  }
};

struct PosterizationArguments {
  Factor factor{1.0, 8.0};
  RandomColorOptions options{};
};
void describe(Fields& fields, PosterizationArguments& posterization) {
  layers::describe_color_options(fields, posterization.options);
  fields.required("factor", posterization.factor);
}

class PosterizationLayer final : public ColorLayer<PosterizationArguments> {
 public:
  explicit PosterizationLayer(PosterizationArguments arguments)
      : ColorLayer("RandomPosterization", std::move(arguments)) {
    layers::require_factor(*this, "a factor", arguments_.factor, 1, 8);
    require_value_range();
  }

 protected:
  Value change(Value images, layers::ImageDraws& draws) const override {
    const Factor& factor = arguments_.factor;
    // What a step of the values that are left spans, of 256.
    const Value step = of_each_image(images, [&](Expression& expression) {
      const Expr bits = floor(draws.between(expression, 0, factor));
      return exp((8.0f - bits) * 0.6931472f);
    });
    const float scale = 255.0f / (highest() - lowest());
    return ops::map(images, step, [=, this](Expr value, Expr span) {
      const Expr byte = floor((value - lowest()) * scale);
      const Expr whole = floor(span + 0.5f);
      return floor(byte / whole) * whole * (1.0f / scale) + lowest();
    });
  }
};

}  // namespace

void describe(Fields& fields, SolarizationOptions& options) {
  layers::describe_layout(fields, options);
  PositiveFactor addition{options.addition_factor}, threshold{options.threshold_factor};
  fields("value_range", options.value_range);
  fields("addition_factor", addition);
  fields("threshold_factor", threshold);
  fields("seed", options.seed);
  options.addition_factor = addition.range;
  options.threshold_factor = threshold.range;
}

namespace {

struct SolarizationArguments {
  SolarizationOptions options{};
};
void describe(Fields& fields, SolarizationArguments& arguments) {
  stoker::describe(fields, arguments.options);
}

class SolarizationLayer final : public ColorLayer<SolarizationArguments> {
 public:
  explicit SolarizationLayer(SolarizationArguments arguments)
      : ColorLayer("Solarization", std::move(arguments)) {
    layers::require_factor(*this, "an addition_factor", arguments_.options.addition_factor, 0, 1);
    layers::require_factor(*this, "a threshold_factor", arguments_.options.threshold_factor, 0, 1);
    require_value_range();
  }

 protected:
  Value change(Value images, layers::ImageDraws& draws) const override {
    const auto amount = [&](std::uint32_t index, const Factor& factor) {
      return of_each_image(images, [&](Expression& expression) {
        return draws.between(expression, index, factor.lower, factor.upper * 255.0);
      });
    };
    const Value added = amount(0, arguments_.options.addition_factor);
    const Value threshold = amount(1, arguments_.options.threshold_factor);
    const float scale = 255.0f / (highest() - lowest());
    return ops::map(images, added, threshold, [=, this](Expr value, Expr more, Expr limit) {
      const Expr bright = min(max((value - lowest()) * scale + more, 0.0f), 255.0f);
      const Expr turned = select(less(bright, limit), bright, 255.0f - bright);
      return turned * (1.0f / scale) + lowest();
    });
  }
};

struct InvertArguments {
  PositiveFactor factor{Factor(0.0, 1.0)};
  RandomColorOptions options{};
};
void describe(Fields& fields, InvertArguments& invert) {
  layers::describe_color_options(fields, invert.options);
  fields("factor", invert.factor);
}

class InvertLayer final : public ColorLayer<InvertArguments> {
 public:
  explicit InvertLayer(InvertArguments arguments)
      : ColorLayer("RandomInvert", std::move(arguments)) {
    layers::require_factor(*this, "a factor", arguments_.factor.range, 0, 1);
    require_value_range();
  }

 protected:
  Value change(Value images, layers::ImageDraws& draws) const override {
    const Value inverts = of_each_image(images, [&](Expression& expression) {
      const Expr probability = draws.between(expression, 0, arguments_.factor.range);
      return less(draws.between(expression, 1, 0.0, 1.0), probability);
    });
    return ops::map(images, inverts, [this](Expr value, Expr is_inverted) {
      return select(is_inverted, highest() - value, value);
    });
  }
};

}  // namespace

Layer RandomBrightness(Factor factor, RandomColorOptions options) {
  return layers::make_layer<BrightnessLayer>(BrightnessArguments{factor, std::move(options)});
}
Layer RandomContrast(Factor factor, RandomColorOptions options) {
  return layers::make_layer<ContrastLayer>(ContrastArguments{positive(factor), std::move(options)});
}
Layer RandomGrayscale(double factor, SeedOption options) {
  return layers::make_layer<GrayscaleLayer>(GrayscaleArguments{factor, std::move(options)});
}
Layer RandomColorDegeneration(Factor factor, RandomColorOptions options) {
  return layers::make_layer<DegenerationLayer>(
      DegenerationArguments{positive(factor), std::move(options)});
}
Layer RandomPosterization(Factor factor, RandomColorOptions options) {
  const bool is_one = factor.lower == -factor.upper;
  return layers::make_layer<PosterizationLayer>(
      PosterizationArguments{is_one ? Factor(1.0, factor.upper) : factor, std::move(options)});
}
Layer Solarization(SolarizationOptions options) {
  options.addition_factor = positive(options.addition_factor).range;
  options.threshold_factor = positive(options.threshold_factor).range;
  return layers::make_layer<SolarizationLayer>(SolarizationArguments{std::move(options)});
}
Layer RandomInvert(Factor factor, RandomColorOptions options) {
  return layers::make_layer<InvertLayer>(InvertArguments{positive(factor), std::move(options)});
}

namespace layers {

Layer make_RandomBrightness(Fields& fields) {
  return layers::make_layer<BrightnessLayer>(fields.all<BrightnessArguments>());
}
Layer make_RandomContrast(Fields& fields) {
  return layers::make_layer<ContrastLayer>(fields.all<ContrastArguments>());
}
Layer make_RandomGrayscale(Fields& fields) {
  return layers::make_layer<GrayscaleLayer>(fields.all<GrayscaleArguments>());
}
Layer make_RandomColorDegeneration(Fields& fields) {
  return layers::make_layer<DegenerationLayer>(fields.all<DegenerationArguments>());
}
Layer make_RandomPosterization(Fields& fields) {
  return layers::make_layer<PosterizationLayer>(fields.all<PosterizationArguments>());
}
Layer make_Solarization(Fields& fields) {
  return layers::make_layer<SolarizationLayer>(fields.all<SolarizationArguments>());
}
Layer make_RandomInvert(Fields& fields) {
  return layers::make_layer<InvertLayer>(fields.all<InvertArguments>());
}

}  // namespace layers
}  // namespace stoker
