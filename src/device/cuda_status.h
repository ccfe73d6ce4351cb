// Finds out whether CUDA can be used, and says in one line why not. This header includes none of
// CUDA's, so that builds without CUDA can answer too (backend/cuda_absent/), and tests can judge
// facts about machines that they don't have.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "device/device.h"

namespace stoker::device {

// Facts about a machine, in the order in which they are asked for. Asking stops at the first answer
// that rules CUDA out, and leaves the later ones at their defaults.
struct CudaFacts {
  int ordinal = 0;  // of the device that is wanted
  // Versions as CUDA counts them: 13020 is 13.2.
  int runtime = 0;           // the runtime that this program was linked with
  int driver = 0;            // 0: there is no libcuda.so.1
  bool driver_stub = false;  // the libcuda that toolkits bring for the linker
  // The driver's error when it was asked for devices, unless it gave a number or said "too old".
  std::string driver_error;
  int devices = 0;
  std::optional<std::string> visible_devices;  // CUDA_VISIBLE_DEVICES
  std::string name;
  int capability = 0;  // 90 is 9.0
  // Problems of the libraries as src/device/cuda/libraries.h reports them; empty if there are none.
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
// Without a driver the first call takes well under a millisecond; with one it takes as long as
// loading cuDNN does.
const CudaStatus& cuda_status(int ordinal = 0);

// The one device of that number; it lives until the process ends. Throws DeviceError with
// cuda_status's line when it can't be used.
std::shared_ptr<Device> make_cuda_device(int ordinal);

}  // namespace stoker::device
