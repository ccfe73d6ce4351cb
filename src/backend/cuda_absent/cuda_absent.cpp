// Stands in for CUDA in builds without it, and reports that it is not built in.
#include "backend/backend.h"
#include "core/format.h"
#include "device/cuda_status.h"
#include "stoker/error.h"

namespace stoker::device {

const CudaStatus& cuda_status(int) {
  static const CudaStatus& status = *new CudaStatus{
      .line = "no CUDA in this build (configure Stoker with a CUDA toolkit and STOKER_CUDA=ON)"};
  return status;
}

std::shared_ptr<Device> make_cuda_device(int ordinal) {
  throw DeviceError(format("cuda:", ordinal, ": ", cuda_status(ordinal).line));
}

}  // namespace stoker::device

namespace stoker::backend {

// NOLINTNEXTLINE(performance-unnecessary-value-param): backend/cuda keeps it.
std::unique_ptr<Backend> make_cuda_backend(std::shared_ptr<device::Device> device) {
  throw DeviceError(format(device->name(), ": ", device::cuda_status().line));
}

}  // namespace stoker::backend
