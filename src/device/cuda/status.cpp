// Asks driver, runtime and libraries whether CUDA can be used here, and hands out its devices.
#include <cuda_runtime_api.h>

#include <cstdlib>
#include <map>
#include <mutex>

#include "core/format.h"
#include "device/cuda/cuda_device.h"
#include "device/cuda/libraries.h"
#include "device/cuda_status.h"
#include "stoker/error.h"

namespace stoker::device {
namespace {

std::string describe(cudaError_t error) {
  return format(cudaGetErrorName(error), " (", cudaGetErrorString(error), ')');
}

void ask_driver(CudaFacts& facts) {
  facts.runtime = CUDART_VERSION;
  cudaDriverGetVersion(&facts.driver);
  const cudaError_t error = cudaGetDeviceCount(&facts.devices);
  if (error == cudaSuccess) return;
  cudaGetLastError();
  facts.devices = 0;
  facts.driver_stub = error == cudaErrorStubLibrary;
  if (error != cudaErrorStubLibrary && error != cudaErrorNoDevice) {
    facts.driver_error = describe(error);
  }
}

void ask_device(CudaFacts& facts) {
  cudaDeviceProp properties{};
  const cudaError_t error = cudaGetDeviceProperties(&properties, facts.ordinal);
  if (error != cudaSuccess) {
    cudaGetLastError();
    facts.driver_error = describe(error);
    return;
  }
  facts.name = properties.name;
  facts.capability = 10 * properties.major + properties.minor;
}

// Stops asking at the first fact by which judge() rules CUDA out, so that libraries are not loaded
// for a device that is not there.
CudaFacts find_out(int ordinal) {
  CudaFacts facts;
  facts.ordinal = ordinal;
  if (const char* visible = std::getenv("CUDA_VISIBLE_DEVICES")) facts.visible_devices = visible;
  ask_driver(facts);
  if (ordinal < 0 || ordinal >= facts.devices) return facts;
  ask_device(facts);
  if (!judge(facts).usable) return facts;
  facts.nvrtc_problem = nvrtc().problem;
  if (!facts.nvrtc_problem.empty()) return facts;
  facts.cudnn_problem = cudnn().problem;
  facts.cudnn = cudnn().version;
  return facts;
}

// The maps are never destroyed, because the order of destruction among them, the CUDA runtime and a
// program's own statics is not defined.
template <class Value>
std::map<int, Value>& by_ordinal() {
  static auto& map = *new std::map<int, Value>;
  return map;
}

}  // namespace

const CudaStatus& cuda_status(int ordinal) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  auto& known = by_ordinal<CudaStatus>();
  auto at = known.find(ordinal);
  if (at == known.end()) at = known.emplace(ordinal, judge(find_out(ordinal))).first;
  return at->second;
}

std::shared_ptr<Device> make_cuda_device(int ordinal) {
  const CudaStatus& status = cuda_status(ordinal);
  if (!status.usable) throw DeviceError(format("cuda:", ordinal, ": ", status.line));
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  std::shared_ptr<CudaDevice>& device = by_ordinal<std::shared_ptr<CudaDevice>>()[ordinal];
  if (!device) device = std::make_shared<CudaDevice>(ordinal);
  return device;
}

}  // namespace stoker::device
