#include "backend/backend.h"

#include <atomic>

namespace stoker::backend {

namespace {
std::atomic<MakeBackend> replacement{nullptr};
}

std::byte* Memory::at(const graph::Home& home) const {
  const auto behind = [&](std::byte* begin) {
    return begin == nullptr ? nullptr : begin + home.offset;
  };
  switch (home.space) {
    case graph::Space::arena:
      return behind(arena);
    case graph::Space::input:
      return nullptr;
    case graph::Space::parameter:
      return behind(parameters);
    case graph::Space::gradient:
      return behind(gradients);
    case graph::Space::copy:
      return behind(copies);
    case graph::Space::slot:
      return behind(slots[static_cast<std::size_t>(home.index)]);
    case graph::Space::state:
      return behind(state);
    case graph::Space::metric:
      return behind(metrics);
    case graph::Space::scalar:
      return behind(reinterpret_cast<std::byte*>(scalars));
  }
  return nullptr;
}

void replace_backends(MakeBackend make) { replacement = make; }

std::unique_ptr<Backend> make_backend(const std::shared_ptr<device::Device>& device, int threads) {
  if (const MakeBackend make = replacement) return make(device, threads);
  // Every other device computes as the CPU does.
  if (device->kind() == device::Kind::cuda) return make_cuda_backend(device);
  return make_cpu_backend(threads);
}

}  // namespace stoker::backend
