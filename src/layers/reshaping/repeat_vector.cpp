// RepeatVector: (batch, features) to (batch, n, features).
#include "layers/fields.h"
#include "layers/registry.h"
#include "layers/reshaping/repeat.h"

namespace stoker {
namespace {

struct RepeatVectorArguments {
  std::int64_t n = 1;
  NameOptions options{};
};

void describe(Fields& fields, RepeatVectorArguments& repeat) {
  layers::describe_common(fields, repeat.options);
  fields.required("n", repeat.n);
}

class RepeatVectorLayer final : public layers::DescribedLayer<RepeatVectorArguments> {
 public:
  explicit RepeatVectorLayer(RepeatVectorArguments arguments)
      : DescribedLayer("RepeatVector", std::move(arguments)) {
    layers::require_along_axis(*this, "n", arguments_.n);
  }

  graph::Value apply(layers::BuildContext&, graph::Value x) override {
    layers::require_rank(x, 2, "Vectors are (batch, features)");
    return layers::repeat(ops::reshape(x, {x.shape()[0], 1, x.shape()[1]}), {arguments_.n});
  }
};

}  // namespace

Layer RepeatVector(std::int64_t n, NameOptions options) {
  return Layer(std::make_shared<RepeatVectorLayer>(RepeatVectorArguments{n, std::move(options)}));
}

Layer layers::make_RepeatVector(Fields& fields) {
  return Layer(std::make_shared<RepeatVectorLayer>(fields.all<RepeatVectorArguments>()));
}

}  // namespace stoker
