// Rescaling: y = x * scale + offset, in float32 arithmetic whatever the type of the batch.
#include "core/check.h"
#include "layers/fields.h"
#include "layers/registry.h"

namespace stoker {
namespace {

struct RescalingArguments {
  double scale = 1.0;
  RescalingOptions options{};
};

void describe(Fields& fields, RescalingArguments& rescaling) {
  layers::describe_common(fields, rescaling.options);
  fields.required("scale", rescaling.scale);
  fields("offset", rescaling.options.offset);
}

class RescalingLayer final : public layers::DescribedLayer<RescalingArguments> {
 public:
  explicit RescalingLayer(RescalingArguments arguments)
      : DescribedLayer("Rescaling", std::move(arguments)) {
    supports_masking = true;
    check::require(label(), "a scale", scale_, check::finite());
    check::require(label(), "an offset", offset_, check::finite());
  }

  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    return context.to_compute(ops::map(x, [this](graph::Expr value) {
      return value * static_cast<float>(scale_) + static_cast<float>(offset_);
    }));
  }

 private:
  const double scale_ = arguments_.scale;
  const double offset_ = arguments_.options.offset;
};

}  // namespace

Layer Rescaling(double scale, RescalingOptions options) {
  return Layer(std::make_shared<RescalingLayer>(RescalingArguments{scale, std::move(options)}));
}

Layer layers::make_Rescaling(Fields& fields) {
  return Layer(std::make_shared<RescalingLayer>(fields.all<RescalingArguments>()));
}

}  // namespace stoker
