// RandomErasing: a rectangle of images becomes one value, or noise.
#include <utility>

#include "core/check.h"
#include "layers/preprocessing/batch_draws.h"
#include "layers/preprocessing/color_layers.h"
#include "layers/registry.h"
#include "ops/common.h"

namespace stoker {

// One number, or one for each channel; null where the rectangle is noise.
struct FillValue {
  std::vector<double> values;
};
template <>
struct FieldType<FillValue> {
  static FillValue read(const Config& config) {
    if (config.is_number()) return {{config.number()}};
    return {FieldType<std::vector<double>>::read(config)};
  }
  static Config write(const FillValue& fill) {
    if (fill.values.empty()) return {};
    if (fill.values.size() == 1) return fill.values[0];
    return FieldType<std::vector<double>>::write(fill.values);
  }
};

namespace {

using graph::Expr;
using graph::Expression;
using graph::Value;

struct ErasingArguments {
  RandomErasingOptions options{};
};
void describe(Fields& fields, ErasingArguments& arguments) {
  RandomErasingOptions& options = arguments.options;
  layers::describe_layout(fields, options);
  PositiveFactor factor = layers::positive(options.factor);
  PositiveFactor scale = layers::positive(options.scale);
  FillValue fill{options.fill_value};
  fields("factor", factor);
  fields("scale", scale);
  fields("fill_value", fill);
  fields("value_range", options.value_range);
  fields("seed", options.seed);
  options.factor = factor.range;
  options.scale = scale.range;
  options.fill_value = fill.values;
}

class ErasingLayer final : public layers::ColorLayer<ErasingArguments> {
 public:
  explicit ErasingLayer(ErasingArguments arguments)
      : ColorLayer("RandomErasing", std::move(arguments)) {
    layers::require_factor(*this, "a factor", arguments_.options.factor, 0, 1);
    layers::require_factor(*this, "a scale", arguments_.options.scale, 0, 1);
    for (const double value : arguments_.options.fill_value) {
      check::require(label(), "a fill_value", value, check::finite());
    }
    require_value_range();
  }

 protected:
  Value change(Value images, layers::ImageDraws& draws) const override {
    const RandomErasingOptions& options = arguments_.options;
    const auto side = [&](std::uint32_t index) {
      return layers::of_each_image(images, [&](Expression& expression) {
        return sqrt(draws.between(expression, index, options.scale));
      });
    };
    const layers::Rectangles rectangles =
        layers::random_rectangles(draws, 2, images, side(1), side(0));
    const Value is_erased = layers::of_each_image(images, [&](Expression& expression) {
      return draws.happens(expression, 4, options.factor);
    });
    const Value inside = ops::multiply(rectangles.inside, is_erased);
    return ops::map(images, inside, fill_of(images, draws),
                    [](Expr value, Expr is, Expr fill) { return select(is, fill, value); });
  }

 private:
  Value fill_of(Value images, layers::ImageDraws& draws) const {
    const std::vector<double>& fill = arguments_.options.fill_value;
    if (fill.empty()) {
      Expression expression;
      expression.add_output(within_range(draws.normal(expression, 6) * highest()).id);
      return ops::pointwise(*images.graph, images.shape(), {}, expression)[0];
    }
    const auto count = static_cast<std::int64_t>(fill.size());
    ops::require(count == 1 || count == images.shape()[3], *images.graph,
                 "expected a fill_value of one number, or of one for each channel of ",
                 images.shape(), ", received ", count);
    const Value given = ops::constant(*images.graph, {1, 1, 1, count},
                                      std::vector<float>(fill.begin(), fill.end()));
    return ops::map(given, [this](Expr value) { return within_range(value); });
  }
};

}  // namespace

Layer RandomErasing(RandomErasingOptions options) {
  options.factor = layers::positive(options.factor).range;
  options.scale = layers::positive(options.scale).range;
  return layers::make_layer<ErasingLayer>(ErasingArguments{std::move(options)});
}
Layer layers::make_RandomErasing(Fields& fields) {
  return make_layer<ErasingLayer>(fields.all<ErasingArguments>());
}

}  // namespace stoker
