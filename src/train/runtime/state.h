// What a model keeps on its device beside its weights, which are in a store: gradients and slots,
// scalars, totals, and the arena that all its plans share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "device/device.h"
#include "plan/scalars.h"
#include "stoker/memory_report.h"
#include "stoker/tensor.h"
#include "train/network/network.h"
#include "train/runtime/store.h"

namespace stoker::train {

// The version of memory(). It changes with the store's buffers and with the model's own.
struct MemoryVersion {
  std::uint64_t store = 0;
  std::uint64_t own = 0;
  friend bool operator==(const MemoryVersion&, const MemoryVersion&) = default;
};

class State {
 public:
  // Places the network's weights in a store, which may belong to another model too. `model` names
  // this one in messages. Throws as Store::of() does.
  State(Network& network, std::uint64_t seed, int threads, std::shared_ptr<device::Device> device,
        const std::string& model = {}, bool initializes = true);
  // Uses the weights of an existing store, with memory of its own beside them.
  State(const Network& network, std::shared_ptr<Store> store, std::uint64_t seed, int threads,
        std::shared_ptr<device::Device> device);

  device::Device& device() { return *device_; }
  device::Stream& stream() { return *stream_; }
  backend::Backend& backend() { return *backend_; }

  // Allocates the buffers that training needs: gradients, filled with zeros, and optimizer slots,
  // each filled with its value; without values with zeros. The old buffers and the arena are freed
  // first, and are gone when this throws.
  void prepare_training(const Network& network, std::size_t slots,
                        std::span<const float> slot_values = {});
  // Makes the arena at least this large. memory() changes when it grows, and there is no arena when
  // this throws.
  void reserve_arena(std::int64_t bytes);
  void release_arena();
  void reserve_metrics(std::size_t totals);  // As many corrections are reserved too.
  // The buffers by purpose. The other parts of the report are empty.
  MemoryReport memory_report() const;
  backend::Memory memory() const;
  // Plans compare this to know when to bind again, because it changes with memory().
  MemoryVersion version() const { return {store_->generation(), generation_}; }
  // The store that holds the weights. A StoreUse of this reference replaces it by the store that it
  // was joined into.
  std::shared_ptr<Store>& store() { return store_; }
  const Store& store() const { return *store_; }

  Tensor read(const Weight& weight) const { return store_->read(*stream_, weight); }
  void write(const Weight& weight, const Tensor& value) {
    store_->write(*stream_, weight, value.data<float>());
  }
  void write(const Weight& weight, std::span<const float> values) {
    store_->write(*stream_, weight, values);
  }
  // Gives a weight's part of a slot this value, after prepare_training().
  void fill_slot(std::size_t slot, const Weight& weight, float value);
  // The memory of a slot of the optimizer, after prepare_training().
  std::byte* slot(std::size_t i) const { return slots_[i]->data(); }

  plan::Scalars read_scalars() const;
  void write_scalars(const plan::Scalars& scalars);
  // The totals, followed by their corrections.
  std::vector<float> read_metrics() const;
  void write_metrics(const std::vector<float>& values);  // As read_metrics() gave them.
  void reset_metrics();
  // Enqueues the write of the learning rate, which takes effect with the next step.
  void set_learning_rate(float learning_rate);
  // Waits for the device, and forgets the error that its steps have recorded.
  void clear_error();
  // Enqueues copies of the scalars and the metric totals to pinned memory.
  void copy_to_host(std::byte* scalars, std::byte* metrics);
  std::size_t metric_bytes() const { return metrics_ ? metrics_->bytes() : 0; }

 private:
  std::shared_ptr<device::Device> device_;
  std::unique_ptr<device::Stream> stream_;
  std::unique_ptr<backend::Backend> backend_;
  std::shared_ptr<Store> store_;
  std::int64_t parameter_bytes_, copy_bytes_, state_bytes_;  // The model's share of the store.
  std::unique_ptr<device::Buffer> gradients_, metrics_, scalars_, arena_;
  std::vector<std::unique_ptr<device::Buffer>> slots_;
  std::uint64_t generation_ = 1;
};

}  // namespace stoker::train
