// Which code NVRTC is to make for a GPU.
#pragma once

#include <span>
#include <string>

namespace stoker::backend::cuda {

// capability: 90 is 9.0; `supported`: what NVRTC knows. Machine code ("sm_90") where it knows the
// GPU. Otherwise PTX ("compute_90") of the latest before it, which the driver compiles for a GPU
// that is newer than the toolkit; empty for one that is older than all of them.
inline std::string architecture_for(std::span<const int> supported, int capability) {
  int latest = 0;
  for (const int one : supported) {
    if (one == capability) return "sm_" + std::to_string(capability);
    if (one < capability && one > latest) latest = one;
  }
  return latest == 0 ? "" : "compute_" + std::to_string(latest);
}

}  // namespace stoker::backend::cuda
