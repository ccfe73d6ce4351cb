// Chooses the backend of a device. The function is alone in its file because test programs link
// another make_backend() in its place.
#include "backend/backend.h"

namespace stoker::backend {

std::unique_ptr<Backend> make_backend(const std::shared_ptr<device::Device>& device, int threads) {
  // Every other device computes as the CPU does.
  if (device->kind() == device::Kind::cuda) return make_cuda_backend(device);
  return make_cpu_backend(threads);
}

}  // namespace stoker::backend
