// Layers that look at images from another place while training: flipped, moved, turned, scaled,
// sheared, cropped. Each is a transform of every image (core/warp_tap.h), made on the device.
#include <algorithm>
#include <array>
#include <numbers>
#include <string_view>
#include <utility>

#include "core/check.h"
#include "layers/preprocessing/center_crop.h"
#include "layers/preprocessing/random_images.h"
#include "layers/registry.h"
#include "layers/reshaping/spatial.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Expression;
using graph::Value;

constexpr std::array<std::string_view, 4> kFills{"constant", "nearest", "wrap", "reflect"};

float extent_of(Value images, std::size_t axis) { return static_cast<float>(images.shape()[axis]); }

// The eight numbers of a transform; those that are not set are the identity's.
struct Transform {
  explicit Transform(Expression& expression) {
    const Expr one{&expression, expression.constant(1.0f)};
    const Expr zero{&expression, expression.constant(0.0f)};
    a = {one, zero, zero};
    b = {zero, one, zero};
    c = {zero, zero};
  }
  std::array<Expr, 3> a, b;
  std::array<Expr, 2> c;
};

// Makes the transform of an image of that height and width.
using Rule = std::function<void(Expression& expression, Transform& transform)>;

// Transforms (rows, 8), of each image or, with one row, the same of all.
Value transforms_of(Value images, std::int64_t rows, const Rule& rule) {
  Expression expression;
  Transform transform(expression);
  rule(expression, transform);
  for (const auto& row : {transform.a, transform.b}) {
    for (const Expr& number : row) expression.add_output(number.id);
  }
  for (const Expr& number : transform.c) expression.add_output(number.id);
  return ops::concatenate(ops::pointwise(*images.graph, Shape{rows, 1}, {}, expression), 1);
}

// ---- The layers that keep the size -------------------------------------------------------------
template <class Arguments>
class TransformLayer : public layers::DescribedLayer<Arguments> {
 public:
  using layers::DescribedLayer<Arguments>::DescribedLayer;

  Value apply(layers::BuildContext& context, Value x) override {
    layers::require_rank(x, 4, layers::layout_advice(2));
    x = context.to_compute(x);
    if (!context.training()) return x;
    layers::ImageDraws draws(context, this->arguments_.options.seed);
    const Value transforms =
        transforms_of(x, x.shape()[0], [&](Expression& expression, Transform& transform) {
          set(draws, expression, extent_of(x, 1), extent_of(x, 2), transform);
        });
    ops::WarpAttributes attributes = attributes_of(this->arguments_.options);
    attributes.height = x.shape()[1];
    attributes.width = x.shape()[2];
    return ops::warp(x, transforms, attributes);
  }

 protected:
  virtual void set(layers::ImageDraws& draws, Expression& expression, float height, float width,
                   Transform& transform) const = 0;

  void require_options() const {
    const RandomTransformOptions& options = this->arguments_.options;
    if (options.interpolation != "bilinear" && options.interpolation != "nearest") {
      throw ValueError(format(this->label(), ": expected interpolation \"bilinear\" or ",
                              "\"nearest\", received \"", options.interpolation, "\""));
    }
    if (std::ranges::find(kFills, options.fill_mode) == kFills.end()) {
      throw ValueError(format(this->label(), ": expected a fill_mode of ", joined(kFills),
                              ", received \"", options.fill_mode, "\"",
                              did_you_mean(options.fill_mode, kFills)));
    }
    check::require(this->label(), "a fill_value", options.fill_value, check::finite());
  }

 private:
  static ops::WarpAttributes attributes_of(const RandomTransformOptions& options) {
    ops::WarpAttributes attributes;
    attributes.is_linear = options.interpolation == "bilinear";
    attributes.fill =
        static_cast<WarpFill>(std::ranges::find(kFills, options.fill_mode) - kFills.begin());
    attributes.fill_value = static_cast<float>(options.fill_value);
    return attributes;
  }
  // A flip looks at whole pixels.
  static ops::WarpAttributes attributes_of(const SeedOption&) {
    ops::WarpAttributes attributes;
    attributes.is_linear = false;
    return attributes;
  }
};

void describe_options(Fields& fields, RandomTransformOptions& options) {
  layers::describe_layout(fields, options);
  fields("fill_mode", options.fill_mode);
  fields("interpolation", options.interpolation);
  fields("seed", options.seed);
  fields("fill_value", options.fill_value);
}

// ---- RandomFlip --------------------------------------------------------------------------------
struct FlipArguments {
  std::string mode = "horizontal_and_vertical";
  SeedOption options{};
};
void describe(Fields& fields, FlipArguments& flip) {
  layers::describe_layout(fields, flip.options);
  fields("seed", flip.options.seed);
  fields("mode", flip.mode);
}

class FlipLayer final : public TransformLayer<FlipArguments> {
 public:
  explicit FlipLayer(FlipArguments arguments) : TransformLayer("RandomFlip", std::move(arguments)) {
    const std::string& mode = arguments_.mode;
    if (mode != "horizontal" && mode != "vertical" && mode != "horizontal_and_vertical") {
      throw ValueError(format(label(), ": expected the mode \"horizontal\", \"vertical\" or ",
                              "\"horizontal_and_vertical\", received \"", mode, "\""));
    }
  }

 protected:
  void set(layers::ImageDraws& draws, Expression& expression, float height, float width,
           Transform& transform) const override {
    const Expr flips = less_equal(draws.between(expression, 0, 0.0, 1.0), 0.5f);
    const Expr sign = 1.0f - flips * 2.0f;
    if (arguments_.mode != "vertical") {
      transform.a[0] = sign;
      transform.a[2] = flips * (width - 1.0f);
    }
    if (arguments_.mode != "horizontal") {
      transform.b[1] = sign;
      transform.b[2] = flips * (height - 1.0f);
    }
  }
};

// ---- RandomTranslation -------------------------------------------------------------------------
struct TranslationArguments {
  Factor height_factor = 0.0;
  Factor width_factor = 0.0;
  RandomTransformOptions options{};
};
void describe(Fields& fields, TranslationArguments& translation) {
  describe_options(fields, translation.options);
  fields.required("height_factor", translation.height_factor);
  fields.required("width_factor", translation.width_factor);
}

class TranslationLayer final : public TransformLayer<TranslationArguments> {
 public:
  explicit TranslationLayer(TranslationArguments arguments)
      : TransformLayer("RandomTranslation", std::move(arguments)) {
    layers::require_factor(*this, "a height_factor", arguments_.height_factor, -1, 1);
    layers::require_factor(*this, "a width_factor", arguments_.width_factor, -1, 1);
    require_options();
  }

 protected:
  void set(layers::ImageDraws& draws, Expression& expression, float height, float width,
           Transform& transform) const override {
    transform.b[2] = draws.between(expression, 0, arguments_.height_factor) * -height;
    transform.a[2] = draws.between(expression, 1, arguments_.width_factor) * -width;
  }
};

// ---- RandomRotation ----------------------------------------------------------------------------
struct RotationArguments {
  Factor factor = 0.0;
  RandomTransformOptions options{};
};
void describe(Fields& fields, RotationArguments& rotation) {
  describe_options(fields, rotation.options);
  fields.required("factor", rotation.factor);
}

class RotationLayer final : public TransformLayer<RotationArguments> {
 public:
  explicit RotationLayer(RotationArguments arguments)
      : TransformLayer("RandomRotation", std::move(arguments)) {
    layers::require_factor(*this, "a factor", arguments_.factor, -1, 1);
    require_options();
  }

 protected:
  void set(layers::ImageDraws& draws, Expression& expression, float height, float width,
           Transform& transform) const override {
    const Expr turns = draws.between(expression, 0, arguments_.factor);
    const Expr angle = turns * static_cast<float>(2.0 * std::numbers::pi);
    const Expr cosine = graph::apply(graph::ExprOp::cos, angle);
    const Expr sine = graph::apply(graph::ExprOp::sin, angle);
    const float x = 0.5f * (width - 1.0f), y = 0.5f * (height - 1.0f);
    transform.a = {cosine, -sine, x - cosine * x + sine * y};
    transform.b = {sine, cosine, y - sine * x - cosine * y};
  }
};

// ---- RandomZoom --------------------------------------------------------------------------------
struct ZoomArguments {
  Factor height_factor = 0.0;
  std::optional<Factor> width_factor{};
  RandomTransformOptions options{};
};
void describe(Fields& fields, ZoomArguments& zoom) {
  describe_options(fields, zoom.options);
  fields.required("height_factor", zoom.height_factor);
  fields("width_factor", zoom.width_factor);
}

class ZoomLayer final : public TransformLayer<ZoomArguments> {
 public:
  explicit ZoomLayer(ZoomArguments arguments) : TransformLayer("RandomZoom", std::move(arguments)) {
    require_zoom("a height_factor", arguments_.height_factor);
    if (arguments_.width_factor) require_zoom("a width_factor", *arguments_.width_factor);
    require_options();
  }

 protected:
  void set(layers::ImageDraws& draws, Expression& expression, float height, float width,
           Transform& transform) const override {
    const Expr of_height = draws.between(expression, 0, arguments_.height_factor) + 1.0f;
    const Expr of_width = arguments_.width_factor
                              ? draws.between(expression, 1, *arguments_.width_factor) + 1.0f
                              : of_height;
    transform.a[0] = of_width;
    transform.a[2] = (1.0f - of_width) * (0.5f * (width - 1.0f));
    transform.b[1] = of_height;
    transform.b[2] = (1.0f - of_height) * (0.5f * (height - 1.0f));
  }

 private:
  // An image is not scaled by 0.
  void require_zoom(const char* what, const Factor& factor) const {
    const check::Range range{.low = -1.0, .high = 1.0, .low_is_open = true};
    check::require(label(), what, factor.lower, range);
    check::require(label(), what, factor.upper, range);
  }
};

// ---- RandomShear -------------------------------------------------------------------------------
struct ShearArguments {
  Factor x_factor = 0.0;
  Factor y_factor = 0.0;
  RandomTransformOptions options{};
};
void describe(Fields& fields, ShearArguments& shear) {
  describe_options(fields, shear.options);
  fields("x_factor", shear.x_factor);
  fields("y_factor", shear.y_factor);
}

class ShearLayer final : public TransformLayer<ShearArguments> {
 public:
  explicit ShearLayer(ShearArguments arguments)
      : TransformLayer("RandomShear", std::move(arguments)) {
    layers::require_factor(*this, "an x_factor", arguments_.x_factor, -1, 1);
    layers::require_factor(*this, "a y_factor", arguments_.y_factor, -1, 1);
    require_options();
  }

 protected:
  void set(layers::ImageDraws& draws, Expression& expression, float, float,
           Transform& transform) const override {
    const Expr to_other_side = less(0.5f, draws.between(expression, 0, 0.0, 1.0));
    const Expr sign = 1.0f - to_other_side * 2.0f;
    transform.b[0] = draws.between(expression, 1, arguments_.y_factor) * sign;
    transform.a[1] = draws.between(expression, 2, arguments_.x_factor) * sign;
  }
};

// ---- RandomCrop --------------------------------------------------------------------------------
struct CropArguments {
  std::int64_t height = 0;
  std::int64_t width = 0;
  SeedOption options{};
};
void describe(Fields& fields, CropArguments& crop) {
  layers::describe_layout(fields, crop.options);
  fields.required("height", crop.height);
  fields.required("width", crop.width);
  fields("seed", crop.options.seed);
}

class CropLayer final : public layers::DescribedLayer<CropArguments> {
 public:
  explicit CropLayer(CropArguments arguments) : DescribedLayer("RandomCrop", std::move(arguments)) {
    layers::require_along_axis(*this, "height", arguments_.height);
    layers::require_along_axis(*this, "width", arguments_.width);
  }

  Value apply(layers::BuildContext& context, Value x) override {
    layers::require_rank(x, 4, layers::layout_advice(2));
    x = context.to_compute(x);
    const std::int64_t height = arguments_.height, width = arguments_.width;
    const std::int64_t above = x.shape()[1] - height, left = x.shape()[2] - width;
    if (!context.training() || above <= 0 || left <= 0) {
      return layers::center_crop(x, height, width);
    }
    layers::ImageDraws draws(context, arguments_.options.seed);
    // Places are one for all images of the batch, as in Keras.
    const Value one = transforms_of(x, 1, [&](Expression& expression, Transform& transform) {
      const auto place = [&](std::uint32_t index, std::int64_t most) {
        const auto count = static_cast<double>(most) + 1.0;
        return min(floor(draws.between(expression, index, 0.0, count)), static_cast<float>(most));
      };
      transform.b[2] = place(0, above);
      transform.a[2] = place(1, left);
    });
    const Shape all{x.shape()[0], 8};
    const Value transforms = ops::pointwise(*x.graph, all, {one}, graph::identity())[0];
    ops::WarpAttributes attributes;
    attributes.height = height;
    attributes.width = width;
    attributes.is_linear = false;
    return ops::warp(x, transforms, attributes);
  }
};

template <class L, class Arguments>
Layer make(Arguments arguments) {
  return Layer(std::make_shared<L>(std::move(arguments)));
}

}  // namespace

Layer RandomFlip(std::string mode, SeedOption options) {
  return make<FlipLayer>(FlipArguments{std::move(mode), std::move(options)});
}
Layer RandomTranslation(Factor height, Factor width, RandomTransformOptions options) {
  return make<TranslationLayer>(TranslationArguments{height, width, std::move(options)});
}
Layer RandomRotation(Factor factor, RandomTransformOptions options) {
  return make<RotationLayer>(RotationArguments{factor, std::move(options)});
}
Layer RandomZoom(Factor height, RandomTransformOptions options) {
  return make<ZoomLayer>(ZoomArguments{height, std::nullopt, std::move(options)});
}
Layer RandomZoom(Factor height, Factor width, RandomTransformOptions options) {
  return make<ZoomLayer>(ZoomArguments{height, width, std::move(options)});
}
Layer RandomShear(Factor x_factor, Factor y_factor, RandomTransformOptions options) {
  return make<ShearLayer>(ShearArguments{x_factor, y_factor, std::move(options)});
}
Layer RandomCrop(std::int64_t height, std::int64_t width, SeedOption options) {
  return make<CropLayer>(CropArguments{height, width, std::move(options)});
}

namespace layers {

Layer make_RandomFlip(Fields& fields) { return make<FlipLayer>(fields.all<FlipArguments>()); }
Layer make_RandomTranslation(Fields& fields) {
  return make<TranslationLayer>(fields.all<TranslationArguments>());
}
Layer make_RandomRotation(Fields& fields) {
  return make<RotationLayer>(fields.all<RotationArguments>());
}
Layer make_RandomZoom(Fields& fields) { return make<ZoomLayer>(fields.all<ZoomArguments>()); }
Layer make_RandomShear(Fields& fields) { return make<ShearLayer>(fields.all<ShearArguments>()); }
Layer make_RandomCrop(Fields& fields) { return make<CropLayer>(fields.all<CropArguments>()); }

}  // namespace layers
}  // namespace stoker
