// Whether CUDA can be used, and in one line why not. Knows nothing of CUDA's headers: builds
// without CUDA answer too (backend/cuda_absent/), and tests judge facts about machines that they
// don't have.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "device/device.h"

namespace stoker::device {

// What was found out about a machine, in the order of the questions. Asking stops at the first
// answer that rules CUDA out and leaves the rest as it is here.
struct CudaFacts {
  int ordinal = 0;  // of the device that is wanted
  // Versions as CUDA counts them: 13020 is 13.2.
  int runtime = 0;           // that this program was linked with
  int driver = 0;            // 0: there is no libcuda.so.1
  bool driver_stub = false;  // the libcuda that toolkits bring for the linker
  // What the driver said when it was asked for devices, if it was neither a number nor "too old".
  std::string driver_error;
  int devices = 0;
  std::optional<std::string> visible_devices;  // CUDA_VISIBLE_DEVICES
  std::string name;
  int capability = 0;  // 90 is 9.0
  // What src/device/cuda/libraries.h says of them; empty: nothing is wrong.
  std::string nvrtc_problem;
  std::string cudnn_problem;
  std::size_t cudnn = 0;  // 91900 is 9.19.0
};

struct CudaStatus {
  bool usable = false;
  int devices = 0;
  // "cuda:0 NVIDIA H100 80GB HBM3, compute capability 9.0, driver 13.0, cuDNN 9.19", or why not.
  std::string line;
};

CudaStatus judge(const CudaFacts& facts);

// The status on this machine and in this process, found out at the first call for each device.
// Without a driver that takes well under a millisecond; with one, as long as loading cuDNN does.
const CudaStatus& cuda_status(int ordinal = 0);

// The one device of that number; it lives until the process ends. Throws DeviceError with
// cuda_status's line when it can't be used.
std::shared_ptr<Device> make_cuda_device(int ordinal);

}  // namespace stoker::device
