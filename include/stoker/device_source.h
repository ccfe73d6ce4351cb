// Sources whose batches are made where they are used, in the device's memory, so that nothing is
// uploaded.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "stoker/array_source.h"
#include "stoker/generator.h"
#include "stoker/tensor.h"

namespace stoker {

// The place at which a generator of device memory works. On CUDA it enqueues its kernels and copies
// on `cuda_stream`, a cudaStream_t, and neither waits for them nor touches the memory from the
// host. On other devices cuda_stream is null, and it writes the memory itself before it returns.
struct DeviceQueue {
  void* cuda_stream = nullptr;
};

namespace detail {

void* native_of(device::Stream& stream);

template <class F, class... T>
class DeviceGenerator final : public BatchGenerator<T...>, public DeviceFiller {
 public:
  using BatchGenerator<T...>::fill;
  DeviceGenerator(const BatchShapes& shapes, F function)
      : BatchGenerator<T...>(shapes), function_(std::move(function)) {}

  // There is nothing to do on the feed's thread.
  std::int64_t fill(BatchContext&, const Slot&) override { return this->spec().batch_size(); }
  std::int64_t fill(BatchContext&, std::span<T>...) override { return this->spec().batch_size(); }
  bool endless() const override { return true; }
  DeviceFiller* device_filler() override { return this; }
  SourceTraits traits() const override { return this->traits_of(SourceKind::device); }

  void fill_on_device(BatchContext& batch, std::int64_t, const std::byte*, const Slot& slot,
                      device::Stream& stream) override {
    call(batch, DeviceQueue{native_of(stream)}, slot, std::index_sequence_for<T...>{});
  }
  bool enqueues() const override { return false; }

 private:
  template <std::size_t... I>
  void call(BatchContext& batch, DeviceQueue queue, const Slot& slot, std::index_sequence<I...>) {
    function_(batch, queue,
              std::span<T>(reinterpret_cast<T*>(slot.field(I)),
                           static_cast<std::size_t>(this->spec().field(I).shape.elements()))...);
  }

  F function_;
};

}  // namespace detail

// An endless generator that fills device memory:
//
//   auto noise = device_generator<float, std::int32_t>(
//       {.x = {32, 28, 28, 1}, .y = {32}},
//       [](BatchContext& batch, DeviceQueue queue, std::span<float> x, std::span<std::int32_t> y) {
//         fill_kernel<<<grid, block, 0, static_cast<cudaStream_t>(queue.cuda_stream)>>>(...);
//       });
//
// The function is called for one batch after another, on the thread that calls fit, between
// launches of steps, and should return soon. The spans lie in device memory.
template <class... T, class F>
requires std::invocable<F&, BatchContext&, DeviceQueue, std::span<T>...> Generator<T...>
device_generator(const BatchShapes& shapes, F function) {
  return Generator<T...>(
      std::make_shared<detail::DeviceGenerator<F, T...>>(shapes, std::move(function)));
}

// Gives the same batches in the same order as array_source(), but the tensors are copied to the
// device once, when a fit first uses the source there, and batches are gathered on it. They stay
// there as long as the source lives. The fit throws DeviceError if they do not fit.
SourceHandle cache_on_device(std::vector<Tensor> inputs, std::vector<Tensor> targets,
                             std::vector<Tensor> sample_weights = {}, ArrayOptions options = {});
SourceHandle cache_on_device(Tensor x, Tensor y, ArrayOptions options = {});
template <std::convertible_to<std::optional<Tensor>> T>
SourceHandle cache_on_device(std::vector<Tensor> inputs, std::vector<Tensor> targets,
                             T sample_weight, ArrayOptions options = {}) {
  return cache_on_device(std::move(inputs), std::move(targets),
                         detail::none_or_one(std::move(sample_weight)), options);
}

}  // namespace stoker
