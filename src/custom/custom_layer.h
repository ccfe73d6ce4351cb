// What layers that the user defines have in common: they find the layers that a call calls.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "layers/layer.h"
#include "layers/value.h"
#include "stoker/custom.h"

namespace stoker::custom {

// A layer whose call is code of the user's. The layers that its first call calls become its parts,
// named as a model names its layers.
class UserLayer : public layers::LayerBase {
 public:
  using LayerBase::LayerBase;

  std::vector<layers::MaskedValue> build(layers::BuildContext& context,
                                         std::span<const layers::MaskedValue> inputs) final;
  std::vector<layers::Child> children() const final { return children_; }

 protected:
  virtual std::vector<Value> run(layers::BuildScope& scope, const std::vector<Value>& inputs) = 0;

 private:
  void called(const std::shared_ptr<layers::LayerBase>& layer);

  std::vector<layers::Child> children_;
  bool is_built_ = false;
};

// Whether `value` is computed from one of the others.
bool depends_on(graph::Value value, std::span<const graph::Value> others);

}  // namespace stoker::custom

namespace stoker {

struct LayerContext::Inside {
  layers::BuildScope& scope;
  std::vector<layers::WeightSpec> weights{};  // that the call has asked for
};

}  // namespace stoker
