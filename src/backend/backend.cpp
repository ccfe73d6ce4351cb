#include "backend/backend.h"

#include <atomic>

namespace stoker::backend {

namespace {
std::atomic<MakeBackend> replacement{nullptr};
}

void replace_backends(MakeBackend make) { replacement = make; }

std::unique_ptr<Backend> make_backend(const std::shared_ptr<device::Device>& device, int threads) {
  if (const MakeBackend make = replacement) return make(device, threads);
  // Every other device computes as the CPU does.
  if (device->kind() == device::Kind::cuda) return make_cuda_backend(device);
  return make_cpu_backend(threads);
}

}  // namespace stoker::backend
