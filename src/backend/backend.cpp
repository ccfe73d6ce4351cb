// Which backend a device has. Alone in its file: programs of tests link another make_backend().
#include "backend/backend.h"

namespace stoker::backend {

std::unique_ptr<Backend> make_backend(const std::shared_ptr<device::Device>& device, int threads) {
  // Every other device computes as the CPU does.
  if (device->kind() == device::Kind::cuda) return make_cuda_backend(device);
  return make_cpu_backend(threads);
}

}  // namespace stoker::backend
