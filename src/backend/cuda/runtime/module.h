// Generated source as kernels of a device. NVRTC compiles the source, and the result is kept on
// disk for the next time.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <string>
#include <vector>

#include "device/cuda/cuda_device.h"

namespace stoker::backend::cuda {

// Returns code for `capability` (90 is 9.0), from the cache or from NVRTC; it is PTX for a GPU that
// NVRTC does not know yet. Throws DeviceError with NVRTC's log if the source does not compile.
std::vector<std::byte> compile_source(const std::string& source, int capability);

// Kernels that stay loaded as long as this object lives.
class Module {
 public:
  Module(device::CudaDevice& device, const std::vector<std::byte>& code);
  ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  // Returns the kernel as cudaLaunchKernelExC takes it.
  const void* kernel(const std::string& name) const;

 private:
  device::CudaDevice& device_;
  cudaLibrary_t library_ = nullptr;
};

}  // namespace stoker::backend::cuda
