#include "train/network/network.h"

#include <algorithm>

#include "core/align.h"
#include "core/fnv.h"
#include "core/format.h"
#include "stoker/error.h"
#include "train/runtime/store.h"

namespace stoker::train {

Network::Network(std::shared_ptr<const Topology> topology, layers::DTypePolicy policy)
    : topology_(std::move(topology)), policy_(policy) {
  for (const auto& layer : topology_->layers()) add(layer, topology_->name_of(*layer));
}

void Network::add(const std::shared_ptr<layers::LayerBase>& layer, const std::string& path) {
  const bool is_known = std::any_of(layers_.begin(), layers_.end(), [&](const PathOfLayer& known) {
    return known.layer == layer.get();
  });
  if (is_known) return;
  layers_.push_back({layer.get(), path});
  const auto first = static_cast<std::ptrdiff_t>(weights_.size());
  for (const layers::WeightSpec& spec : layer->weights()) {
    std::int64_t& end = spec.trainable ? parameter_bytes_ : state_bytes_;
    const auto space = spec.trainable ? graph::Space::parameter : graph::Space::state;
    const std::int64_t count = spec.shape.elements();
    const std::string name = path + "/" + spec.name;
    // A model that a file describes may ask for any size. The sum of all bytes has to be a number.
    constexpr std::int64_t kMostBytes = std::int64_t{1} << 60;
    if (count > (kMostBytes - end) / static_cast<std::int64_t>(sizeof(float))) {
      throw ShapeError(format(name, ": expected weights of fewer than 2^60 bytes in all, received ",
                              spec.shape));
    }
    const DType dtype = layer->policy().value_or(policy_).variable;
    weights_.push_back({layer.get(), spec, name, {space, 0, end}, end, count, dtype, fnv1a(name)});
    end += aligned(count * static_cast<std::int64_t>(sizeof(float)));
  }
  for (const layers::Child& child : layer->children()) add(child.layer, path + "/" + child.name);
  if (const auto adopted = layer->adopted()) {
    const auto found = std::find_if(weights_.begin() + first, weights_.end(), [&](const Weight& w) {
      return w.layer == adopted->layer && w.spec.name == adopted->name;
    });
    if (found != weights_.end()) std::rotate(weights_.begin() + first, found, found + 1);
  }
}

std::string Network::label_of(const layers::LayerBase& layer) const {
  for (const PathOfLayer& known : layers_) {
    if (known.layer == &layer) return layers::label_of(layer, known.path);
  }
  return layer.label();
}

const Weight& Network::weight(const layers::LayerBase& layer, const std::string& name) const {
  for (const Weight& weight : weights_) {
    if (weight.layer == &layer && weight.spec.name == name) return weight;
  }
  throw Error(format(layer.label(), ": weight \"", name, "\" was not declared by the first build"));
}

void Network::place() {
  for (Weight& weight : weights_) weight.home = home_of(*weight.layer, weight.spec.name);
}

}  // namespace stoker::train
