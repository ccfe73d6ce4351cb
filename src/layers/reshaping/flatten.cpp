// Flatten: all axes but the batch become one.
#include "layers/fields.h"
#include "layers/registry.h"

namespace stoker {
namespace {

struct FlattenArguments {
  NameOptions options{};
};

void describe(Fields& fields, FlattenArguments& flatten) {
  layers::describe_common(fields, flatten.options);
  fields.always("data_format", "channels_last");
}

class FlattenLayer final : public layers::DescribedLayer<FlattenArguments> {
 public:
  explicit FlattenLayer(FlattenArguments arguments)
      : DescribedLayer("Flatten", std::move(arguments)) {}

  graph::Value apply(layers::BuildContext&, graph::Value x) override {
    return ops::reshape(x, {x.shape()[0], x.shape().without_batch().elements()});
  }
};

}  // namespace

Layer Flatten(NameOptions options) {
  return Layer(std::make_shared<FlattenLayer>(FlattenArguments{std::move(options)}));
}

Layer layers::make_Flatten(Fields& fields) {
  return Layer(std::make_shared<FlattenLayer>(fields.all<FlattenArguments>()));
}

}  // namespace stoker
