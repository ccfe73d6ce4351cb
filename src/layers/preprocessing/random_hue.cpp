// RandomHue and RandomSaturation: layers that change colors as hue, saturation and value.
#include <array>
#include <utility>

#include "layers/preprocessing/color_layers.h"
#include "layers/registry.h"
#include "ops/common.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Expression;
using graph::Value;

// Hue in [0, 1], saturation, and value, the largest of red, green and blue. Smith: "Color gamut
// transform pairs", 1978.
struct Hsv {
  Expr hue, saturation, value;
};

Hsv hsv_of(Expr red, Expr green, Expr blue) {
  const auto constant = [&](float number) {
    return Expr{red.expression, red.expression->constant(number)};
  };
  const Expr zero = constant(0.0f), one = constant(1.0f);
  const Expr most = max(max(red, green), blue);
  const Expr range = most - min(min(red, green), blue);
  const Expr is_colored = less(zero, range), is_bright = less(zero, most);
  const Expr saturation = select(is_bright, range / select(is_bright, most, one), zero);
  const Expr sixth = 1.0f / (select(is_colored, range, one) * 6.0f);
  const Expr hue = select(equal(most, red), sixth * (green - blue),
                          select(equal(most, green), sixth * (blue - red) + 2.0f / 6.0f,
                                 sixth * (red - green) + 4.0f / 6.0f));
  return {select(is_colored, hue, zero) + less(hue, 0.0f), saturation, most};
}

std::array<Expr, 3> rgb_of(const Hsv& color) {
  const Expr turn = (color.hue - floor(color.hue)) * 6.0f;
  const auto within_one = [](Expr x) { return min(max(x, 0.0f), 1.0f); };
  const std::array<Expr, 3> shares{within_one(abs(turn - 3.0f) - 1.0f),
                                   within_one(2.0f - abs(turn - 2.0f)),
                                   within_one(2.0f - abs(turn - 4.0f))};
  std::array<Expr, 3> rgb;
  for (std::size_t i = 0; i < rgb.size(); ++i) {
    rgb[i] = color.value * (1.0f - color.saturation + color.saturation * shares[i]);
  }
  return rgb;
}

// Changes the colors of images by a number of each of them. `to_unit` and `back` are applied to
// each channel before and after.
Value with_hsv(Value images, Value amounts, const std::function<Expr(Expr)>& to_unit,
               const std::function<Hsv(const Hsv&, Expr amount)>& change,
               const std::function<Expr(Expr)>& back) {
  ops::require(images.shape()[3] == 3, *images.graph,
               "expected images of three channels, red, green and blue, received ", images.shape());
  std::vector<Value> inputs = ops::split(ops::to_float(images), 3, 3);
  inputs.push_back(amounts);
  Expression expression;
  const auto input = [&](int index) { return Expr{&expression, expression.input(index)}; };
  // As in Keras, what is no more than a rounding error counts as 0.
  const auto channel = [&](int index) {
    const Expr value = to_unit(input(index));
    return select(less(abs(value), 0x1.0p-23f), Expr{&expression, expression.constant(0.0f)},
                  value);
  };
  const Expr red = channel(0), green = channel(1), blue = channel(2);
  for (const Expr& changed : rgb_of(change(hsv_of(red, green, blue), input(3)))) {
    expression.add_output(back(changed).id);
  }
  return ops::concatenate(ops::pointwise(std::move(inputs), expression), 3);
}

struct HsvArguments {
  PositiveFactor factor{0.0};
  RandomColorOptions options{};
};
void describe(Fields& fields, HsvArguments& arguments) {
  layers::describe_color_options(fields, arguments.options);
  fields.required("factor", arguments.factor);
}

class HueLayer final : public layers::ColorLayer<HsvArguments> {
 public:
  explicit HueLayer(HsvArguments arguments) : ColorLayer("RandomHue", std::move(arguments)) {
    layers::require_factor(*this, "a factor", arguments_.factor.range, 0, 1);
    require_value_range();
  }

 protected:
  Value change(Value images, layers::ImageDraws& draws) const override {
    const Value turns = layers::of_each_image(images, [&](Expression& expression) {
      const Expr to_other_side = less(0.5f, draws.between(expression, 0, 0.0, 1.0));
      const Expr turn = draws.between(expression, 1, arguments_.factor.range) * 0.5f;
      return select(to_other_side, -turn, turn);
    });
    const float low = lowest(), span = highest() - lowest();
    return with_hsv(
        images, turns, [=](Expr value) { return (value - low) * (1.0f / span); },
        [](const Hsv& color, Expr turn) {
          const Expr hue = color.hue + turn;
          const Expr not_above = select(less(1.0f, hue), hue - 1.0f, hue);
          return Hsv{select(less(not_above, 0.0f), not_above + 1.0f, not_above), color.saturation,
                     color.value};
        },
        [=](Expr value) { return min(max(value, 0.0f), 1.0f) * span + low; });
  }
};

class SaturationLayer final : public layers::ColorLayer<HsvArguments> {
 public:
  explicit SaturationLayer(HsvArguments arguments)
      : ColorLayer("RandomSaturation", std::move(arguments)) {
    layers::require_factor(*this, "a factor", arguments_.factor.range, 0, 1);
    require_value_range();
  }

 protected:
  Value change(Value images, layers::ImageDraws& draws) const override {
    const Value factors = layers::of_each_image(images, [&](Expression& expression) {
      const Expr factor = draws.between(expression, 0, arguments_.factor.range);
      return factor / (1.0f - factor + 1e-7f);
    });
    const auto as_it_is = [](Expr value) { return value; };
    return with_hsv(
        images, factors, as_it_is,
        [this](const Hsv& color, Expr factor) {
          return Hsv{color.hue, within_range(color.saturation * factor), color.value};
        },
        as_it_is);
  }
};

}  // namespace

Layer RandomHue(Factor factor, RandomColorOptions options) {
  return layers::make_layer<HueLayer>(HsvArguments{layers::positive(factor), std::move(options)});
}
Layer RandomSaturation(Factor factor, RandomColorOptions options) {
  return layers::make_layer<SaturationLayer>(
      HsvArguments{layers::positive(factor), std::move(options)});
}
Layer layers::make_RandomHue(Fields& fields) {
  return make_layer<HueLayer>(fields.all<HsvArguments>());
}
Layer layers::make_RandomSaturation(Fields& fields) {
  return make_layer<SaturationLayer>(fields.all<HsvArguments>());
}

}  // namespace stoker
