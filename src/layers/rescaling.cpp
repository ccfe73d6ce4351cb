// Rescaling: y = x * scale + offset, in float32 arithmetic whatever the batches hold.
#include "core/check.h"
#include "layers/layer.h"

namespace stoker {
namespace {

class RescalingLayer final : public layers::LayerBase {
 public:
  RescalingLayer(double scale, RescalingOptions options)
      : LayerBase("Rescaling", options.name, options.dtype),
        scale_(scale),
        offset_(options.offset) {
    check::require(label(), "a scale", scale_, check::finite());
    check::require(label(), "an offset", offset_, check::finite());
  }

  graph::Value build(layers::BuildContext& context, graph::Value x) override {
    return context.to_compute(ops::map(x, [this](graph::Expr value) {
      return value * static_cast<float>(scale_) + static_cast<float>(offset_);
    }));
  }

 private:
  const double scale_;
  const double offset_;
};

}  // namespace

Layer Rescaling(double scale, RescalingOptions options) {
  return Layer(std::make_shared<RescalingLayer>(scale, std::move(options)));
}

}  // namespace stoker
