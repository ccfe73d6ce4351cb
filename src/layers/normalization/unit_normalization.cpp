// UnitNormalization: each vector along the axes divided by its length.
#include "layers/axes.h"
#include "layers/fields.h"
#include "layers/normalization/standardize.h"
#include "layers/registry.h"

namespace stoker {
namespace {

struct UnitNormalizationArguments {
  UnitNormalizationOptions options{};
};

void describe(Fields& fields, UnitNormalizationArguments& arguments) {
  layers::describe_common(fields, arguments.options);
  fields("axis", arguments.options.axis);
}

class UnitNormalizationLayer final : public layers::DescribedLayer<UnitNormalizationArguments> {
 public:
  explicit UnitNormalizationLayer(UnitNormalizationArguments arguments)
      : DescribedLayer("UnitNormalization", std::move(arguments)) {
    supports_masking = true;
  }

  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    constexpr double kLeastNorm = 1e-12;  // Keras's
    return layers::unit_vectors(context.to_compute(x),
                                layers::axes_after_batch(arguments_.options.axis, x), kLeastNorm);
  }
};

}  // namespace

Layer UnitNormalization(UnitNormalizationOptions options) {
  return Layer(
      std::make_shared<UnitNormalizationLayer>(UnitNormalizationArguments{std::move(options)}));
}

Layer layers::make_UnitNormalization(Fields& fields) {
  return Layer(std::make_shared<UnitNormalizationLayer>(fields.all<UnitNormalizationArguments>()));
}

}  // namespace stoker
