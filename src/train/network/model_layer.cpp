#include "train/network/model_layer.h"

#include "core/fields.h"
#include "core/format.h"
#include "ops/ops.h"
#include "stoker/error.h"
#include "train/network/model_config.h"

namespace stoker::train {

ModelLayer::ModelLayer(const char* class_name, std::string name,
                       std::shared_ptr<const Topology> topology)
    : LayerBase(class_name, std::move(name)), topology_(std::move(topology)) {
  casts_inputs = false;  // The layers inside cast their inputs themselves.
  supports_masking = true;
  takes_list = topology_->inputs().size() > 1;
}

std::vector<layers::MaskedValue> ModelLayer::build(layers::BuildContext& context,
                                                   std::span<const layers::MaskedValue> inputs) {
  if (inputs.size() != topology_->inputs().size()) {
    throw ShapeError(format(label(), ": expected ", topology_->inputs().size(),
                            topology_->inputs().size() == 1 ? " input" : " inputs", ", received ",
                            inputs.size()));
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const layers::InputLayer& input = topology_->input(i);
    const Shape& given = inputs[i].value.shape();
    if (!(given.without_batch() == input.shape)) {
      throw ShapeError(format(label(), ": expected a value of ",
                              input.shape.with_batch(Shape::kUnknown), " for its input \"",
                              topology_->name_of(input), "\", received ", given));
    }
    const bool wants_whole = input.dtype == DType::int32;
    if (wants_whole && is_floating(inputs[i].value.dtype())) {
      throw DTypeError(format(label(), ": expected int32 for its input \"",
                              topology_->name_of(input), "\", received ", inputs[i].value.dtype()));
    }
  }
  return topology_->build(context, inputs);
}

void ModelLayer::write_fields(Fields&) const {}

Config ModelLayer::config() const { return layer_config(*this, name(), "float32"); }

std::vector<layers::Child> ModelLayer::children() const {
  std::vector<layers::Child> children;
  for (const auto& layer : topology_->layers()) {
    if (dynamic_cast<const layers::InputLayer*>(layer.get()) != nullptr) continue;
    children.push_back({topology_->name_of(*layer), layer});
  }
  return children;
}

}  // namespace stoker::train
