// Sources whose batches are made where they are used, in the device's memory, so that nothing is
// uploaded.
#pragma once

#include <concepts>
#include <optional>
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

// Makes an endless generator that fills device memory:
//
//   auto noise = device_generator<float, std::int32_t>(
//       {.x = {32, 28, 28, 1}, .y = {32}},
//       [](BatchContext& batch, DeviceQueue queue, std::span<float> x, std::span<std::int32_t> y) {
//         fill_kernel<<<grid, block, 0, static_cast<cudaStream_t>(queue.cuda_stream)>>>(...);
//       });
//
// The function is called for one batch after another, on the thread that calls fit, between
// launches of steps, and should return soon. The spans lie in device memory. If it has no captures
// or is given as pure(f), a batch depends on nothing but its BatchContext, so that a training can
// go on where an earlier one stopped.
template <class... T, class F>
Generator<T...> device_generator(const BatchShapes& shapes, F function);

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

#include "stoker/detail/device_source.h"  // what device_generator() does
