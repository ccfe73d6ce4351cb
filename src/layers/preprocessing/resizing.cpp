// Resizing and CenterCrop: images of another size. Numbers of pixels are cut off as in Keras.
#include <algorithm>

#include "core/check.h"
#include "layers/fields.h"
#include "layers/preprocessing/center_crop.h"
#include "layers/registry.h"
#include "layers/reshaping/spatial.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Value;

constexpr std::int64_t kHeight = 1, kWidth = 2;  // axes

std::int64_t extent_of(Value images, std::int64_t axis) {
  return images.shape()[static_cast<std::size_t>(axis)];
}

Value middle(Value images, std::int64_t axis, std::int64_t extent) {
  const std::int64_t given = extent_of(images, axis);
  if (given == extent) return images;
  return ops::slice(images, axis, (given - extent) / 2, extent);
}

// The extent that has the ratio wanted : other_wanted to the other extent.
std::int64_t in_ratio(std::int64_t other, std::int64_t wanted, std::int64_t other_wanted) {
  return static_cast<std::int64_t>(static_cast<double>(other * wanted) /
                                   static_cast<double>(other_wanted));
}

struct Target {
  std::int64_t height, width;
};

// The middle of the images with the target's aspect ratio.
Value cropped_to_ratio(Value images, const Target& target) {
  const std::int64_t height = extent_of(images, kHeight), width = extent_of(images, kWidth);
  const auto within = [](std::int64_t wanted, std::int64_t most) {
    return std::max<std::int64_t>(std::min(wanted, most), 1);
  };
  images = middle(images, kHeight, within(in_ratio(width, target.height, target.width), height));
  return middle(images, kWidth, within(in_ratio(height, target.width, target.height), width));
}

// The images with `value` around them, so that they have the target's aspect ratio. Keras puts the
// same number on both sides.
Value padded_to_ratio(Value images, const Target& target, double value) {
  const std::int64_t height = extent_of(images, kHeight), width = extent_of(images, kWidth);
  const std::int64_t above =
      std::max<std::int64_t>(in_ratio(width, target.height, target.width) - height, 0) / 2;
  const std::int64_t left =
      std::max<std::int64_t>(in_ratio(height, target.width, target.height) - width, 0) / 2;
  const Shape sides{0, above, left, 0};
  return ops::pad(images, sides, sides, static_cast<float>(value));
}

Value resized(Value images, const Target& target, bool is_linear) {
  images = ops::resize(images, kHeight, target.height, is_linear);
  return ops::resize(images, kWidth, target.width, is_linear);
}

// Whole numbers of the given type: a half becomes the even one beside it, and what lies beyond
// the type becomes its limit.
Value rounded(Value x, DType dtype) {
  graph::Expression expression;
  const Expr value{&expression, expression.input(0)};
  const Expr up = floor(value + 0.5f);
  const Expr is_half = equal(up - value, 0.5f);
  const Expr is_odd = equal(up - floor(up * 0.5f) * 2.0f, 1.0f);
  const Expr whole = up - is_half * is_odd;
  expression.add_output((dtype == DType::uint8 ? min(max(whole, 0.0f), 255.0f) : whole).id);
  return ops::pointwise(*x.graph, {dtype, x.shape()}, {x}, expression)[0];
}

struct ResizingArguments {
  std::int64_t height = 0;
  std::int64_t width = 0;
  ResizingOptions options{};
};

void describe(Fields& fields, ResizingArguments& resizing) {
  ResizingOptions& options = resizing.options;
  layers::describe_common(fields, options);
  fields.always("data_format", "channels_last");
  fields.required("height", resizing.height);
  fields.required("width", resizing.width);
  fields("interpolation", options.interpolation);
  fields("crop_to_aspect_ratio", options.crop_to_aspect_ratio);
  fields("pad_to_aspect_ratio", options.pad_to_aspect_ratio);
  fields.only("fill_mode", "constant");
  fields("fill_value", options.fill_value);
  fields.never({"antialias", "bounding_box_format"});
}

class ResizingLayer final : public layers::DescribedLayer<ResizingArguments> {
 public:
  explicit ResizingLayer(ResizingArguments arguments)
      : DescribedLayer("Resizing", std::move(arguments)) {
    layers::require_along_axis(*this, "height", arguments_.height);
    layers::require_along_axis(*this, "width", arguments_.width);
    check::require(label(), "a fill_value", options_.fill_value, check::finite());
    const std::string& name = options_.interpolation;
    if (name != "nearest" && name != "bilinear") {
      throw ValueError(format(label(), ": expected interpolation \"nearest\" or \"bilinear\", ",
                              "received \"", name, "\""));
    }
    if (options_.crop_to_aspect_ratio && options_.pad_to_aspect_ratio) {
      throw ValueError(format(label(), ": expected crop_to_aspect_ratio or pad_to_aspect_ratio, ",
                              "received both"));
    }
  }

  // As in Keras, images of whole numbers stay so.
  Value apply(layers::BuildContext&, Value x) override {
    layers::require_rank(x, 4, layers::layout_advice(2));
    const DType dtype = x.dtype();
    const Target target{arguments_.height, arguments_.width};
    Value y = is_floating(dtype) ? x : ops::to_float(x);
    if (options_.crop_to_aspect_ratio) y = cropped_to_ratio(y, target);
    if (options_.pad_to_aspect_ratio) y = padded_to_ratio(y, target, options_.fill_value);
    y = resized(y, target, options_.interpolation == "bilinear");
    return is_floating(dtype) ? y : rounded(y, dtype);
  }

 private:
  const ResizingOptions& options_ = arguments_.options;
};

struct CenterCropArguments {
  std::int64_t height = 0;
  std::int64_t width = 0;
  NameOptions options{};
};

void describe(Fields& fields, CenterCropArguments& crop) {
  layers::describe_common(fields, crop.options);
  fields.always("data_format", "channels_last");
  fields.required("height", crop.height);
  fields.required("width", crop.width);
  fields.never({"bounding_box_format"});
}

class CenterCropLayer final : public layers::DescribedLayer<CenterCropArguments> {
 public:
  explicit CenterCropLayer(CenterCropArguments arguments)
      : DescribedLayer("CenterCrop", std::move(arguments)) {
    layers::require_along_axis(*this, "height", arguments_.height);
    layers::require_along_axis(*this, "width", arguments_.width);
  }

  Value apply(layers::BuildContext& context, Value x) override {
    layers::require_rank(x, 4, layers::layout_advice(2));
    x = context.to_compute(x);
    return layers::center_crop(x, arguments_.height, arguments_.width);
  }
};

}  // namespace

graph::Value layers::center_crop(graph::Value images, std::int64_t height, std::int64_t width) {
  const Target target{height, width};
  if (extent_of(images, kHeight) >= height && extent_of(images, kWidth) >= width) {
    return middle(middle(images, kHeight, height), kWidth, width);
  }
  return resized(cropped_to_ratio(images, target), target, true);
}

Layer Resizing(std::int64_t height, std::int64_t width, ResizingOptions options) {
  return Layer(
      std::make_shared<ResizingLayer>(ResizingArguments{height, width, std::move(options)}));
}
Layer CenterCrop(std::int64_t height, std::int64_t width, NameOptions options) {
  return Layer(
      std::make_shared<CenterCropLayer>(CenterCropArguments{height, width, std::move(options)}));
}

Layer layers::make_Resizing(Fields& fields) {
  return Layer(std::make_shared<ResizingLayer>(fields.all<ResizingArguments>()));
}
Layer layers::make_CenterCrop(Fields& fields) {
  return Layer(std::make_shared<CenterCropLayer>(fields.all<CenterCropArguments>()));
}

}  // namespace stoker
