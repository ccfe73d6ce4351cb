// Masking: masks steps whose features all equal one value.
#include "core/check.h"
#include "layers/fields.h"
#include "layers/registry.h"
#include "ops/common.h"

namespace stoker {
namespace {

using graph::Expr;

struct MaskingArguments {
  MaskingOptions options{};
};

void describe(Fields& fields, MaskingArguments& masking) {
  layers::describe_common(fields, masking.options);
  fields("mask_value", masking.options.mask_value);
}

class MaskingLayer final : public layers::DescribedLayer<MaskingArguments, layers::LayerBase> {
 public:
  explicit MaskingLayer(MaskingArguments arguments)
      : DescribedLayer("Masking", std::move(arguments)) {
    check::require(label(), "a mask_value", arguments_.options.mask_value, check::finite());
  }

  // As in Keras, the layer ignores the mask of its input.
  std::vector<layers::MaskedValue> build(layers::BuildContext& context,
                                         std::span<const layers::MaskedValue> inputs) override {
    if (inputs.size() != 1) {
      throw ShapeError(format(label(), ": expected one input, received ", inputs.size()));
    }
    const graph::Value x = context.to_compute(inputs[0].value);
    ops::require(x.shape().rank() >= 2, *x.graph, "expected input of rank 2 or more, received ",
                 x.shape(), ". The last axis holds the features of a step");
    const auto value = static_cast<float>(arguments_.options.mask_value);
    const graph::Value counts = ops::reduce(
        ops::ReduceKind::max, x, [value](Expr feature) { return 1.0f - equal(feature, value); },
        {-1}, true);
    const graph::Value y = ops::map(x, counts, [](Expr feature, Expr count) {
      return select(equal(count, 0.0f), Expr{count.expression, count.expression->constant(0.0f)},
                    feature);
    });
    Shape steps;
    for (std::size_t axis = 0; axis + 1 < x.shape().rank(); ++axis) {
      steps.push_back(x.shape()[axis]);
    }
    return {{context.to_compute(y), ops::to_float(ops::reshape(counts, steps))}};
  }
};

}  // namespace

Layer Masking(MaskingOptions options) {
  return Layer(std::make_shared<MaskingLayer>(MaskingArguments{std::move(options)}));
}

Layer layers::make_Masking(Fields& fields) {
  return Layer(std::make_shared<MaskingLayer>(fields.all<MaskingArguments>()));
}

}  // namespace stoker
