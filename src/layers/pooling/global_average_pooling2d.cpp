// GlobalAveragePooling2D: the mean of each channel of an image.
#include "layers/fields.h"
#include "layers/registry.h"

namespace stoker {
namespace {

struct GlobalPoolingArguments {
  GlobalPoolingOptions options{};
};

void describe(Fields& fields, GlobalPoolingArguments& pooling) {
  layers::describe_common(fields, pooling.options);
  fields.always("data_format", "channels_last");
  fields("keepdims", pooling.options.keepdims);
}

class GlobalAveragePooling2DLayer final : public layers::DescribedLayer<GlobalPoolingArguments> {
 public:
  explicit GlobalAveragePooling2DLayer(GlobalPoolingArguments arguments)
      : DescribedLayer("GlobalAveragePooling2D", std::move(arguments)) {}

  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    layers::require_rank(x, 4, "Images are (batch, height, width, channels)");
    return context.to_compute(ops::reduce_mean(x, {1, 2}, arguments_.options.keepdims));
  }
};

}  // namespace

Layer GlobalAveragePooling2D(GlobalPoolingOptions options) {
  return Layer(
      std::make_shared<GlobalAveragePooling2DLayer>(GlobalPoolingArguments{std::move(options)}));
}

Layer layers::make_GlobalAveragePooling2D(Fields& fields) {
  return Layer(std::make_shared<GlobalAveragePooling2DLayer>(fields.all<GlobalPoolingArguments>()));
}

}  // namespace stoker
