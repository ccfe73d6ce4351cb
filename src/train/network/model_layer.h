// A model that is a layer of other models.
#pragma once

#include <memory>
#include <string>

#include "layers/layer.h"
#include "train/network/topology.h"

namespace stoker::train {

class ModelLayer final : public layers::LayerBase {
 public:
  // The class name is "Functional" or "Sequential".
  ModelLayer(const char* class_name, std::string name, std::shared_ptr<const Topology> topology);

  const Topology& topology() const { return *topology_; }
  bool is_sequential() const { return class_name() == "Sequential"; }

  std::vector<layers::MaskedValue> build(layers::BuildContext& context,
                                         std::span<const layers::MaskedValue> inputs) override;
  // Writes the same as config(), with float32 as the policy of layers without one of their own.
  void write_fields(Fields& fields) const override;
  Config config() const override;
  std::vector<layers::Child> children() const override;

 private:
  const std::shared_ptr<const Topology> topology_;
};

}  // namespace stoker::train
