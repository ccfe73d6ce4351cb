// RandomElasticTransform: pixels moved by smooth noise.
#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>

#include "core/check.h"
#include "layers/preprocessing/color_layers.h"
#include "layers/preprocessing/gaussian.h"
#include "layers/preprocessing/histogram.h"
#include "layers/registry.h"
#include "ops/common.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Expression;
using graph::Value;

constexpr std::array<std::string_view, 4> kFills{"constant", "nearest", "wrap", "reflect"};

struct ElasticArguments {
  RandomElasticTransformOptions options{};
};
void describe(Fields& fields, ElasticArguments& arguments) {
  RandomElasticTransformOptions& options = arguments.options;
  layers::describe_layout(fields, options);
  PositiveFactor factor = layers::positive(options.factor);
  PositiveFactor scale = layers::positive(options.scale);
  fields("factor", factor);
  fields("scale", scale);
  fields("interpolation", options.interpolation);
  fields("fill_mode", options.fill_mode);
  fields("fill_value", options.fill_value);
  fields("value_range", options.value_range);
  fields("seed", options.seed);
  options.factor = factor.range;
  options.scale = scale.range;
}

// The place along an axis that stands for one which may lie outside (core/warp_tap.h).
Expr inside(Expr i, float extent, std::string_view fill) {
  if (fill == "wrap" || fill == "reflect") {
    const float period = fill == "wrap" ? extent : 2.0f * extent;
    const Expr within = i - floor(i / period) * period;
    i = select(less(within, extent), within, period - 1.0f - within);
  }
  return min(max(i, 0.0f), extent - 1.0f);
}

class ElasticLayer final : public layers::ColorLayer<ElasticArguments> {
 public:
  explicit ElasticLayer(ElasticArguments arguments)
      : ColorLayer("RandomElasticTransform", std::move(arguments)) {
    const RandomElasticTransformOptions& options = arguments_.options;
    layers::require_factor(*this, "a factor", options.factor, 0, 1);
    layers::require_factor(*this, "a scale", options.scale, 0, 1);
    check::require(label(), "a fill_value", options.fill_value, check::finite());
    if (options.interpolation != "bilinear" && options.interpolation != "nearest") {
      throw ValueError(format(label(), ": expected interpolation \"bilinear\" or \"nearest\", ",
                              "received \"", options.interpolation, "\""));
    }
    if (std::ranges::find(kFills, options.fill_mode) == kFills.end()) {
      throw ValueError(format(label(), ": expected a fill_mode of ", joined(kFills),
                              ", received \"", options.fill_mode, "\"",
                              did_you_mean(options.fill_mode, kFills)));
    }
    require_value_range();
  }

 protected:
  Value change(Value images, layers::ImageDraws& draws) const override {
    const RandomElasticTransformOptions& options = arguments_.options;
    if (options.scale.upper == 0.0 || options.factor.upper == 0.0) return images;
    const Value x = ops::to_float(images);
    const Value is_moved = layers::of_each_image(images, [&](Expression& expression) {
      return draws.happens(expression, 0, options.factor);
    });
    const Value moved = moved_by(x, offsets(x, draws));
    return ops::map(x, moved, is_moved, [this](Expr value, Expr other, Expr is) {
      return within_range(select(is, other, value));
    });
  }

 private:
  // By how many pixels each pixel moves along the height and along the width, (batch, height,
  // width, 2).
  // Keras takes the same numbers for both, so that its pixels move along a diagonal; the paper
  // draws two fields.
  Value offsets(Value x, layers::ImageDraws& draws) const {
    graph::Graph& graph = *x.graph;
    const Shape& shape = x.shape();
    const auto longer = static_cast<double>(std::max(shape[1], shape[2]));
    const double deviation_of_one = 0.05 * static_cast<double>(std::min(shape[1], shape[2]));
    Expression of_batch;
    const Expr scale = draws.between(of_batch, 2, arguments_.options.scale);
    of_batch.add_output(max(scale * static_cast<float>(deviation_of_one), 1e-6f).id);
    of_batch.add_output((scale * static_cast<float>(0.1 * longer)).id);
    const std::vector<Value> numbers = ops::pointwise(graph, Shape{1, 1, 1, 1}, {}, of_batch);
    const Value deviation = numbers[0], amount = numbers[1];

    Expression of_pixel;
    of_pixel.add_output((draws.normal(of_pixel, 3) * Expr{&of_pixel, of_pixel.input(0)}).id);
    Value noise =
        ops::pointwise(graph, Shape{shape[0], shape[1], shape[2], 2}, {deviation}, of_pixel)[0];
    const auto half = static_cast<std::int64_t>(
        std::floor(3.0 * arguments_.options.scale.upper * deviation_of_one));
    for (const std::int64_t axis : {1, 2}) {
      noise = layers::blurred(noise, axis, 2 * half + 1, deviation, true);
    }
    return ops::multiply(noise, amount);
  }

  Value moved_by(Value x, Value offsets) const {
    graph::Graph& graph = *x.graph;
    const Shape& shape = x.shape();
    const Value down =
        ops::add(ops::slice(offsets, 3, 0, 1), layers::counting(graph, 4, 1, shape[1]));
    const Value across =
        ops::add(ops::slice(offsets, 3, 1, 1), layers::counting(graph, 4, 2, shape[2]));
    const int taps = arguments_.options.interpolation == "bilinear" ? 2 : 1;
    Value sum;
    for (int row = 0; row < taps; ++row) {
      for (int column = 0; column < taps; ++column) {
        const Value part = tap(x, down, across, row, column);
        sum = sum ? ops::add(sum, part) : part;
      }
    }
    return sum;
  }

  // The share of one of the pixels around the points, times that pixel.
  Value tap(Value x, Value down, Value across, int row, int column) const {
    const Shape& shape = x.shape();
    const std::string& fill = arguments_.options.fill_mode;
    const bool is_linear = arguments_.options.interpolation == "bilinear";
    Expression expression;
    const auto along = [&](int input, int offset, std::int64_t extent) {
      const Expr at{&expression, expression.input(input)};
      const Expr first = floor(is_linear ? at : at + 0.5f);
      const Expr i = first + static_cast<float>(offset);
      const auto length = static_cast<float>(extent);
      const Expr share = is_linear ? (offset == 0 ? 1.0f - (at - first) : at - first)
                                   : Expr{&expression, expression.constant(1.0f)};
      const Expr is_inside = less(-1.0f, i) * less(i, length);
      return std::array{inside(i, length, fill), share, is_inside};
    };
    const auto [i, of_row, in_rows] = along(0, row, shape[1]);
    const auto [j, of_column, in_columns] = along(1, column, shape[2]);
    expression.add_output((i * static_cast<float>(shape[2]) + j).id);
    expression.add_output((of_row * of_column).id);
    expression.add_output((in_rows * in_columns).id);
    const std::vector<Value> at = ops::pointwise({down, across}, expression);
    const std::int64_t pixels = shape[1] * shape[2];
    const Value rows = ops::reshape(x, {shape[0], pixels, shape[3]});
    const Value pixel =
        ops::reshape(layers::picked(rows, ops::reshape(at[0], {shape[0], pixels})), shape);
    if (fill != "constant") return ops::multiply(pixel, at[1]);
    const auto value = static_cast<float>(arguments_.options.fill_value);
    return ops::map(pixel, at[1], at[2], [=](Expr of_image, Expr share, Expr is_inside) {
      const Expr outside{share.expression, share.expression->constant(value)};
      return select(is_inside, of_image, outside) * share;
    });
  }
};

}  // namespace

Layer RandomElasticTransform(RandomElasticTransformOptions options) {
  options.factor = layers::positive(options.factor).range;
  options.scale = layers::positive(options.scale).range;
  return layers::make_layer<ElasticLayer>(ElasticArguments{std::move(options)});
}
Layer layers::make_RandomElasticTransform(Fields& fields) {
  return make_layer<ElasticLayer>(fields.all<ElasticArguments>());
}

}  // namespace stoker
