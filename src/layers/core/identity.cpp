// Identity returns its input.
#include "layers/fields.h"
#include "layers/registry.h"

namespace stoker {
namespace {

struct IdentityArguments {
  NameOptions options{};
};

void describe(Fields& fields, IdentityArguments& identity) {
  layers::describe_common(fields, identity.options);
}

class IdentityLayer final : public layers::DescribedLayer<IdentityArguments> {
 public:
  explicit IdentityLayer(IdentityArguments arguments)
      : DescribedLayer("Identity", std::move(arguments)) {
    supports_masking = true;
  }

  graph::Value apply(layers::BuildContext&, graph::Value x) override { return x; }
};

}  // namespace

Layer Identity(NameOptions options) {
  return Layer(std::make_shared<IdentityLayer>(IdentityArguments{std::move(options)}));
}

Layer layers::make_Identity(Fields& fields) {
  return Layer(std::make_shared<IdentityLayer>(fields.all<IdentityArguments>()));
}

}  // namespace stoker
