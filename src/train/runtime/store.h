// Stores hold weights in flat buffers, which all models share that have a layer in common
// (docs/adr/0017). A model that is constructed from layers of several stores joins these.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "device/device.h"
#include "graph/graph.h"
#include "layers/layer.h"
#include "stoker/tensor.h"
#include "train/network/network.h"
#include "train/runtime/use.h"

namespace stoker::train {

class Store;

// The place of one layer's weights, each in the order of LayerBase::weights().
struct PlacedWeights final : layers::StoredWeights {
  std::shared_ptr<Store> store;
  std::vector<graph::Home> homes;
  std::vector<std::int64_t> bytes;  // The bytes as float32, without padding.
};

// The home of a layer's weight in its store. Throws Error where the layer has none.
graph::Home home_of(const layers::LayerBase& layer, const std::string& weight);

// Rounds to a type of 16 bits; does nothing for another one.
void round_to(DType dtype, std::span<float> values);

class Store {
 public:
  // Returns the store that holds all weights of `network` afterwards, and places the network in it.
  // Where the layers have no store yet, it is a new one. Where they are in several, or some have no
  // place, these are joined: values are copied once, and weights without a value start from their
  // initializer and `seed`, or from zeros where it does not initialize. Throws ValueError, and
  // changes nothing, where a store is on another device, has copies of another type, or is in use.
  // Only one model calls it at a time (train/lazy_model.h).
  static std::shared_ptr<Store> of(Network& network, std::uint64_t seed,
                                   const std::shared_ptr<device::Device>& device,
                                   const std::string& model, bool initializes = true);

  Store(std::shared_ptr<device::Device> device, const layers::DTypePolicy& policy)
      : device_(std::move(device)), policy_(policy) {}

  // Returns the store that `store` was joined into, or the store itself where it was not joined,
  // and lets `store` follow to it. Several threads may follow by one pointer.
  static std::shared_ptr<Store> follow(std::shared_ptr<Store>& store);
  bool was_joined() const;

  device::Device& device() { return *device_; }
  UseGuard& guard() { return guard_; }

  // A number that changes with the buffers and is unique over all stores, so that plans know when
  // to bind again.
  std::uint64_t generation() const { return generation_; }
  // The number of the order in which weights lie, unique over all stores. Plans are made for one
  // layout.
  std::uint64_t layout() const { return layout_; }
  // The memory of a space. Null where the store has no such space.
  std::byte* space(graph::Space space) const;
  // Whether weights have copies in 16 bits beside them, which write() writes too.
  bool has_copies() const { return copy_dtype().has_value(); }

  Tensor read(device::Stream& stream, const Weight& weight) const;
  void write(device::Stream& stream, const Weight& weight, std::span<const float> values) {
    write(stream, weight.home, values, weight.dtype);
  }

 private:
  struct Joining;

  // Writes values that are rounded to `dtype`.
  void write(device::Stream& stream, graph::Home home, std::span<const float> values, DType dtype);
  std::optional<DType> copy_dtype() const {
    return is_16bit(policy_.compute) ? std::optional(policy_.compute) : std::nullopt;
  }

  const std::shared_ptr<device::Device> device_;
  const layers::DTypePolicy policy_;
  UseGuard guard_;
  std::unique_ptr<device::Buffer> parameters_, copies_, state_;
  std::vector<std::weak_ptr<PlacedWeights>> placed_;
  std::uint64_t generation_ = 0;
  std::uint64_t layout_ = 0;
  std::shared_ptr<Store> joined_into_;  // One mutex for all stores guards this.
};

// Holds a store for the length of a call, or the store that it has been joined into by then.
class StoreUse {
 public:
  // Lets `store` follow to the store that is held. Throws as UseGuard::enter() does.
  StoreUse(std::shared_ptr<Store>& store, const User& user, Access access);
  Use& use() { return *use_; }

 private:
  std::shared_ptr<Store> store_;
  std::optional<Use> use_;
};

}  // namespace stoker::train
