// The free-standing headers that generated kernels include, as text. The library holds them, so
// that NVRTC needs no files. cmake/CudaBackend.cmake lists them.
#pragma once

#include <span>

namespace stoker::backend::cuda {

struct DeviceHeader {
  const char* name;  // as #include spells it
  const char* text;
};

std::span<const DeviceHeader> device_headers();

}  // namespace stoker::backend::cuda
