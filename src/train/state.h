// What a model keeps on its device beside its weights, which are in a store: gradients and slots,
// scalars, totals, and the arena that all its plans share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "device/device.h"
#include "plan/scalars.h"
#include "stoker/memory_report.h"
#include "stoker/tensor.h"
#include "train/network.h"
#include "train/store.h"

namespace stoker::train {

// Where memory() was at some time: it changes with the store's buffers, and with the model's.
struct MemoryVersion {
  std::uint64_t store = 0;
  std::uint64_t own = 0;
  friend bool operator==(const MemoryVersion&, const MemoryVersion&) = default;
};

class State {
 public:
  // Places the network's weights, in a store that may be another model's too; `model` names this
  // one in messages. Throws as Store::of().
  State(Network& network, std::uint64_t seed, int threads, std::shared_ptr<device::Device> device,
        const std::string& model = {});
  // The same weights, with memory of their own beside them.
  State(const Network& network, std::shared_ptr<Store> store, std::uint64_t seed, int threads,
        std::shared_ptr<device::Device> device);

  device::Device& device() { return *device_; }
  device::Stream& stream() { return *stream_; }
  backend::Backend& backend() { return *backend_; }

  // Makes the buffers that training needs, gradients and optimizer slots, filled with zeros. The
  // earlier ones and the arena go first, and stay away when this throws.
  void prepare_training(const Network& network, std::size_t slots);
  // The arena has at least this many bytes afterwards; memory() changes when it grows. There is no
  // arena when this throws.
  void reserve_arena(std::int64_t bytes);
  void release_arena();
  void reserve_metrics(std::size_t totals);  // and a correction for each
  // The buffers by purpose; the report's other parts are empty.
  MemoryReport memory_report() const;
  backend::Memory memory() const;
  // Says when memory() has changed, so that plans know when to bind again.
  MemoryVersion version() const { return {store_->generation(), generation_}; }
  // The store that the weights are in; a StoreUse of it lets it follow to the one that it was
  // joined into.
  std::shared_ptr<Store>& store() { return store_; }
  const Store& store() const { return *store_; }

  Tensor read(const Weight& weight) const { return store_->read(*stream_, weight); }
  void write(const Weight& weight, const Tensor& value) { store_->write(*stream_, weight, value); }

  plan::Scalars read_scalars() const;
  void write_scalars(const plan::Scalars& scalars);
  // Totals, then their corrections.
  std::vector<float> read_metrics() const;
  void reset_metrics();
  // Enqueues copies of the scalars and the metric totals to pinned memory.
  void copy_to_host(std::byte* scalars, std::byte* metrics);
  std::size_t metric_bytes() const { return metrics_ ? metrics_->bytes() : 0; }

 private:
  std::shared_ptr<device::Device> device_;
  std::unique_ptr<device::Stream> stream_;
  std::unique_ptr<backend::Backend> backend_;
  std::shared_ptr<Store> store_;
  std::int64_t parameter_bytes_, copy_bytes_, state_bytes_;  // the model's share of the store
  std::unique_ptr<device::Buffer> gradients_, metrics_, scalars_, arena_;
  std::vector<std::unique_ptr<device::Buffer>> slots_;
  std::uint64_t generation_ = 1;
};

}  // namespace stoker::train
