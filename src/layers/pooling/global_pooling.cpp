// Global pooling: the mean or the maximum of each channel over all steps, pixels or voxels.
#include <numeric>
#include <vector>

#include "layers/fields.h"
#include "layers/registry.h"
#include "layers/reshaping/spatial.h"
#include "ops/common.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Value;

struct GlobalPoolingArguments {
  GlobalPoolingOptions options{};
};

void describe(Fields& fields, GlobalPoolingArguments& pooling) {
  layers::describe_common(fields, pooling.options);
  fields.always("data_format", "channels_last");
  fields("keepdims", pooling.options.keepdims);
}

struct PoolingClass {
  const char* name;
  std::size_t spatial_axes;
  bool is_max;
};
constexpr PoolingClass kAverage1D{"GlobalAveragePooling1D", 1, false};
constexpr PoolingClass kAverage2D{"GlobalAveragePooling2D", 2, false};
constexpr PoolingClass kAverage3D{"GlobalAveragePooling3D", 3, false};
constexpr PoolingClass kMax1D{"GlobalMaxPooling1D", 1, true};
constexpr PoolingClass kMax2D{"GlobalMaxPooling2D", 2, true};
constexpr PoolingClass kMax3D{"GlobalMaxPooling3D", 3, true};

class GlobalPoolingLayer final
    : public layers::DescribedLayer<GlobalPoolingArguments, layers::LayerBase> {
 public:
  GlobalPoolingLayer(const PoolingClass& of, GlobalPoolingArguments arguments)
      : DescribedLayer(of.name, std::move(arguments)), class_(of) {
    supports_masking = !of.is_max && of.spatial_axes == 1;
  }

  std::vector<layers::MaskedValue> build(layers::BuildContext& context,
                                         std::span<const layers::MaskedValue> inputs) override {
    if (inputs.size() != 1) {
      throw ShapeError(format(label(), ": expected one input, received ", inputs.size()));
    }
    if (!supports_masking) layers::refuse_masks(*this, inputs);
    const Value x = inputs[0].value;
    layers::require_rank(x, class_.spatial_axes + 2, layers::layout_advice(class_.spatial_axes));
    const Value mask = inputs[0].mask;
    return {{context.to_compute(mask ? mean_of_unmasked(x, mask) : pool(x))}};
  }

 private:
  Value pool(Value x) const {
    std::vector<std::int64_t> axes(class_.spatial_axes);
    std::iota(axes.begin(), axes.end(), 1);
    const bool keeps = arguments_.options.keepdims;
    return class_.is_max ? ops::reduce(ops::ReduceKind::max, x, axes, keeps)
                         : ops::reduce_mean(x, axes, keeps);
  }

  // The mean of a sample without an unmasked step is NaN, as in Keras.
  Value mean_of_unmasked(Value x, Value mask) const {
    const Shape steps{mask.shape()[0], mask.shape()[1], 1};
    const Value counts = ops::reshape(ops::to_float(mask), steps);
    const bool keeps = arguments_.options.keepdims;
    const Value sum = ops::reduce(
        ops::ReduceKind::sum, x, counts,
        [](Expr value, Expr count) {
          return select(equal(count, 0.0f),
                        Expr{value.expression, value.expression->constant(0.0f)}, value);
        },
        {1}, keeps);
    const Value count = ops::reduce_sum(counts, {1}, keeps);
    return ops::map(sum, count, [](Expr s, Expr n) { return s / n; });
  }

  const PoolingClass& class_;
};

Layer make(const PoolingClass& of, GlobalPoolingOptions options) {
  return Layer(
      std::make_shared<GlobalPoolingLayer>(of, GlobalPoolingArguments{std::move(options)}));
}
Layer make(const PoolingClass& of, Fields& fields) {
  return Layer(std::make_shared<GlobalPoolingLayer>(of, fields.all<GlobalPoolingArguments>()));
}

}  // namespace

Layer GlobalAveragePooling1D(GlobalPoolingOptions options) {
  return make(kAverage1D, std::move(options));
}
Layer GlobalAveragePooling2D(GlobalPoolingOptions options) {
  return make(kAverage2D, std::move(options));
}
Layer GlobalAveragePooling3D(GlobalPoolingOptions options) {
  return make(kAverage3D, std::move(options));
}
Layer GlobalMaxPooling1D(GlobalPoolingOptions options) { return make(kMax1D, std::move(options)); }
Layer GlobalMaxPooling2D(GlobalPoolingOptions options) { return make(kMax2D, std::move(options)); }
Layer GlobalMaxPooling3D(GlobalPoolingOptions options) { return make(kMax3D, std::move(options)); }

Layer layers::make_GlobalAveragePooling1D(Fields& fields) { return make(kAverage1D, fields); }
Layer layers::make_GlobalAveragePooling2D(Fields& fields) { return make(kAverage2D, fields); }
Layer layers::make_GlobalAveragePooling3D(Fields& fields) { return make(kAverage3D, fields); }
Layer layers::make_GlobalMaxPooling1D(Fields& fields) { return make(kMax1D, fields); }
Layer layers::make_GlobalMaxPooling2D(Fields& fields) { return make(kMax2D, fields); }
Layer layers::make_GlobalMaxPooling3D(Fields& fields) { return make(kMax3D, fields); }

}  // namespace stoker
