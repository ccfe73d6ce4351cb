// What a model keeps on its device: the flat buffers, the scalars, and the arena that all its plans
// share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "backend/backend.h"
#include "device/device.h"
#include "plan/scalars.h"
#include "stoker/memory_report.h"
#include "stoker/tensor.h"
#include "train/network.h"

namespace stoker::train {

class State {
 public:
  State(const Network& network, std::uint64_t seed, int threads,
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
  // Counts the changes of memory(), so that plans know when to bind again.
  std::uint64_t generation() const { return generation_; }

  Tensor read(const Weight& weight) const;
  void write(const Weight& weight, const Tensor& value);

  plan::Scalars read_scalars() const;
  void write_scalars(const plan::Scalars& scalars);
  // Totals, then their corrections.
  std::vector<float> read_metrics() const;
  void reset_metrics();
  // Enqueues copies of the scalars and the metric totals to pinned memory.
  void copy_to_host(std::byte* scalars, std::byte* metrics);
  std::size_t metric_bytes() const { return metrics_ ? metrics_->bytes() : 0; }

 private:
  std::byte* address(const Weight& weight) const;

  std::shared_ptr<device::Device> device_;
  std::unique_ptr<device::Stream> stream_;
  std::unique_ptr<backend::Backend> backend_;
  std::unique_ptr<device::Buffer> parameters_, copies_, state_, gradients_, metrics_, scalars_,
      arena_;
  std::optional<DType> copy_dtype_;
  std::vector<std::unique_ptr<device::Buffer>> slots_;
  std::uint64_t generation_ = 1;
};

}  // namespace stoker::train
