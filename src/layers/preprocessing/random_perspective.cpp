// RandomPerspective: images whose corners are moved.
#include <utility>

#include "core/check.h"
#include "layers/preprocessing/color_layers.h"
#include "layers/preprocessing/perspective.h"
#include "layers/registry.h"
#include "ops/common.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Expression;
using graph::Value;

struct PerspectiveArguments {
  RandomPerspectiveOptions options{};
};
void describe(Fields& fields, PerspectiveArguments& arguments) {
  RandomPerspectiveOptions& options = arguments.options;
  layers::describe_layout(fields, options);
  PositiveFactor factor = layers::positive(options.factor);
  fields("factor", factor);
  fields("scale", options.scale);
  fields("interpolation", options.interpolation);
  fields("fill_value", options.fill_value);
  fields("seed", options.seed);
  options.factor = factor.range;
}

class PerspectiveLayer final : public layers::ColorLayer<PerspectiveArguments> {
 public:
  explicit PerspectiveLayer(PerspectiveArguments arguments)
      : ColorLayer("RandomPerspective", std::move(arguments)) {
    const RandomPerspectiveOptions& options = arguments_.options;
    layers::require_factor(*this, "a factor", options.factor, 0, 1);
    check::require(label(), "a scale", options.scale, check::closed(0, 1));
    check::require(label(), "a fill_value", options.fill_value, check::finite());
    if (options.interpolation != "bilinear" && options.interpolation != "nearest") {
      throw ValueError(format(label(), ": expected interpolation \"bilinear\" or \"nearest\", ",
                              "received \"", options.interpolation, "\""));
    }
  }

 protected:
  Value change(Value images, layers::ImageDraws& draws) const override {
    const RandomPerspectiveOptions& options = arguments_.options;
    const Shape& shape = images.shape();
    Expression expression;
    const Expr is_moved = draws.happens(expression, 0, options.factor);
    const Expr one{&expression, expression.constant(1.0f)};
    const auto factor = [&](std::uint32_t index) {
      const Expr moved =
          draws.between(expression, index, -0.5 * options.scale, 0.5 * options.scale);
      return select(is_moved, moved + 1.0f, one);
    };
    const layers::MovedCorners corners{factor(2), factor(3), factor(4), factor(5)};
    for (const Expr& number :
         layers::perspective(corners, static_cast<float>(shape[1]), static_cast<float>(shape[2]))) {
      expression.add_output(number.id);
    }
    const Value transforms =
        ops::concatenate(ops::pointwise(*images.graph, Shape{shape[0], 1}, {}, expression), 1);
    ops::WarpAttributes attributes;
    attributes.height = shape[1];
    attributes.width = shape[2];
    attributes.is_linear = options.interpolation == "bilinear";
    attributes.fill_value = static_cast<float>(options.fill_value);
    return ops::warp(images, transforms, attributes);
  }
};

}  // namespace

// The transform maps the four new places to the old ones, which is a system of eight linear
// equations (Heckbert: "Fundamentals of texture mapping and image warping", 1989, section 2.2.3).
// The corner at the origin and the two on the axes leave a1 = a2 = b0 = b2 = 0 and, with W and H
// the largest coordinates and r, s, u, v the factors of `corners`, a0 = W c0 + 1 / r and b1 = H c1
// + 1 / s; the fourth corner then gives W c0 = (v / s - 1) / u and H c1 = (u / r - 1) / v.
std::array<Expr, 8> layers::perspective(const MovedCorners& corners, float height, float width) {
  Expression& expression = *corners.right.expression;
  const Expr zero{&expression, expression.constant(0.0f)};
  const float most_x = width - 1.0f, most_y = height - 1.0f;
  const Expr along_x = (corners.opposite_y / corners.below - 1.0f) / corners.opposite_x;
  const Expr along_y = (corners.opposite_x / corners.right - 1.0f) / corners.opposite_y;
  // Along an axis of one pixel nothing can be looked at from the side.
  const Expr c0 = most_x > 0.0f ? along_x * (1.0f / most_x) : zero;
  const Expr c1 = most_y > 0.0f ? along_y * (1.0f / most_y) : zero;
  const Expr a0 = along_x + 1.0f / corners.right;
  const Expr b1 = along_y + 1.0f / corners.below;
  return {a0, zero, zero, zero, b1, zero, c0, c1};
}

Layer RandomPerspective(RandomPerspectiveOptions options) {
  options.factor = layers::positive(options.factor).range;
  return layers::make_layer<PerspectiveLayer>(PerspectiveArguments{std::move(options)});
}
Layer layers::make_RandomPerspective(Fields& fields) {
  return make_layer<PerspectiveLayer>(fields.all<PerspectiveArguments>());
}

}  // namespace stoker
