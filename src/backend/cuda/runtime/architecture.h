// Chooses the code that NVRTC is to make for a GPU.
#pragma once

#include <span>
#include <string>

namespace stoker::backend::cuda {

// A capability of 90 is 9.0; `supported` lists the capabilities that NVRTC knows. Returns machine
// code ("sm_90") if NVRTC knows the GPU. Otherwise it returns PTX ("compute_90") of the latest
// capability before it, which the driver compiles for a GPU that is newer than the toolkit, or an
// empty text for a GPU that is older than all of them.
inline std::string architecture_for(std::span<const int> supported, int capability) {
  int latest = 0;
  for (const int one : supported) {
    if (one == capability) return "sm_" + std::to_string(capability);
    if (one < capability && one > latest) latest = one;
  }
  return latest == 0 ? "" : "compute_" + std::to_string(latest);
}

}  // namespace stoker::backend::cuda
