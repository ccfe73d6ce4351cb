// AutoContrast: each channel of an image is stretched over the whole range of values.
#include <utility>

#include "layers/preprocessing/color_layers.h"
#include "layers/registry.h"
#include "ops/common.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Value;

struct AutoContrastArguments {
  ValueRangeOptions options{};
};
void describe(Fields& fields, AutoContrastArguments& contrast) {
  layers::describe_layout(fields, contrast.options);
  fields("value_range", contrast.options.value_range);
}

// It acts whether training or not, as in Keras.
class AutoContrastLayer final : public layers::DescribedLayer<AutoContrastArguments> {
 public:
  explicit AutoContrastLayer(AutoContrastArguments arguments)
      : DescribedLayer("AutoContrast", std::move(arguments)) {
    layers::require_range_of_values(*this, arguments_.options.value_range);
  }

  Value apply(layers::BuildContext& context, Value x) override {
    layers::require_rank(x, 4, layers::layout_advice(2));
    x = context.to_compute(x);
    const auto low = static_cast<float>(arguments_.options.value_range[0]);
    const auto high = static_cast<float>(arguments_.options.value_range[1]);
    const Value images = ops::to_float(x);
    const Value least = ops::reduce(ops::ReduceKind::min, images, {1, 2}, true);
    const Value most = ops::reduce(ops::ReduceKind::max, images, {1, 2}, true);
    // A channel of one value has nothing to stretch.
    const Value y = ops::map(images, least, most, [=](Expr value, Expr from, Expr to) {
      const Expr stretched = (value - from) * ((high - low) / (to - from)) + low;
      return select(less(from, to), min(max(stretched, low), high), value);
    });
    return ops::cast(y, x.dtype());
  }
};

}  // namespace

Layer AutoContrast(ValueRangeOptions options) {
  return layers::make_layer<AutoContrastLayer>(AutoContrastArguments{std::move(options)});
}
Layer layers::make_AutoContrast(Fields& fields) {
  return make_layer<AutoContrastLayer>(fields.all<AutoContrastArguments>());
}

}  // namespace stoker
