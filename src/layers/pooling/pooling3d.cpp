// MaxPooling3D and AveragePooling3D over volumes (batch, depth, height, width, channels): windows
// over the images first, and then over depths. The means of means are means, since the images of a
// window count the same number of pixels.
#include <utility>

#include "layers/registry.h"
#include "layers/volumes.h"
#include "ops/common.h"

namespace stoker {
namespace {

using graph::Value;

struct Pooling3DArguments {
  Size3D pool_size = 2;
  Pooling3DOptions options{};
};

void describe(Fields& fields, Pooling3DArguments& pooling) {
  layers::describe_common(fields, pooling.options);
  layers::describe_size(fields, "pool_size", pooling.pool_size);
  if (!fields.reads() && !pooling.options.strides) pooling.options.strides = pooling.pool_size;
  fields("padding", pooling.options.padding);
  layers::describe_size(fields, "strides", pooling.options.strides);
  fields.always("data_format", "channels_last");
}

class Pooling3DLayer final : public layers::DescribedLayer<Pooling3DArguments> {
 public:
  Pooling3DLayer(const char* class_name, ops::PoolKind kind, Pooling3DArguments arguments)
      : DescribedLayer(class_name, std::move(arguments)),
        kind_(kind),
        window_(layers::triple(arguments_.pool_size)),
        strides_(layers::triple(arguments_.options.strides.value_or(arguments_.pool_size))),
        padding_(layers::parse_padding(*this, arguments_.options.padding)) {
    layers::require_along_axes(*this, "pool_size", window_);
    layers::require_along_axes(*this, "strides", strides_);
  }

  Value apply(layers::BuildContext& context, Value x) override {
    layers::require_rank(x, 5, "Volumes are (batch, depth, height, width, channels)");
    const auto padding = layers::padding_of(x, padding_, window_, strides_,
                                            "window " + layers::text_of(window_), "window");
    ops::Pool2DAttributes within;
    within.kind = kind_;
    within.window = {window_[1], window_[2]};
    within.strides = {strides_[1], strides_[2]};
    within.padding_before = {padding.before[1], padding.before[2]};
    within.padding_after = {padding.after[1], padding.after[2]};
    const Value images = ops::pool2d(layers::as_images(context.to_compute(x)), within);

    // Depths become the rows of images whose columns are all pixels.
    ops::Pool2DAttributes along;
    along.kind = kind_;
    along.window = {window_[0], 1};
    along.strides = {strides_[0], 1};
    along.padding_before = {padding.before[0], 0};
    along.padding_after = {padding.after[0], 0};
    const Shape s = images.shape();
    const std::int64_t depth = x.shape()[1];
    const std::int64_t batch = s[0] < 0 ? Shape::kUnknown : s[0] / depth;
    const Value pooled =
        ops::pool2d(ops::reshape(images, {batch, depth, s[1] * s[2], s[3]}), along);
    return ops::reshape(pooled, {batch, pooled.shape()[1], s[1], s[2], s[3]});
  }

 private:
  const ops::PoolKind kind_;
  const layers::Triple window_, strides_;
  const layers::Padding padding_;
};

Layer pooling(const char* class_name, ops::PoolKind kind, Pooling3DArguments arguments) {
  return Layer(std::make_shared<Pooling3DLayer>(class_name, kind, std::move(arguments)));
}

}  // namespace

Layer MaxPooling3D(Size3D pool_size, Pooling3DOptions options) {
  return pooling("MaxPooling3D", ops::PoolKind::max, {pool_size, std::move(options)});
}
Layer AveragePooling3D(Size3D pool_size, Pooling3DOptions options) {
  return pooling("AveragePooling3D", ops::PoolKind::average, {pool_size, std::move(options)});
}

Layer layers::make_MaxPooling3D(Fields& fields) {
  return pooling("MaxPooling3D", ops::PoolKind::max, fields.all<Pooling3DArguments>());
}
Layer layers::make_AveragePooling3D(Fields& fields) {
  return pooling("AveragePooling3D", ops::PoolKind::average, fields.all<Pooling3DArguments>());
}

}  // namespace stoker
