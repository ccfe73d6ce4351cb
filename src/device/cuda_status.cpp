#include "device/cuda_status.h"

#include "core/format.h"

namespace stoker::device {
namespace {

// 7.5 is Turing. This library has no kernels for older devices, and CUDA 13 does not support them.
constexpr int kOldestCapability = 75;

std::string version(int cuda) { return format(cuda / 1000, '.', cuda % 1000 / 10); }
std::string capability(int number) { return format(number / 10, '.', number % 10); }

// Returns the first branch of drivers that supports a major version of CUDA; any runtime of that
// version runs on it (CUDA's "minor version compatibility").
std::string first_driver(int major) {
  switch (major) {
    case 12:
      return " / driver 525";
    case 13:
      return " / driver 580";
    default:
      return "";
  }
}

std::string why_not_driver(const CudaFacts& facts) {
  if (facts.driver_stub) {
    return "no NVIDIA driver: the libcuda.so.1 that was found is the stub of a CUDA toolkit (take "
           "its folder off LD_LIBRARY_PATH)";
  }
  if (facts.driver == 0) return "no NVIDIA driver (libcuda.so.1 not found)";
  const int major = facts.runtime / 1000;
  if (facts.driver / 1000 < major) {
    return format("driver ", version(facts.driver), " is older than the CUDA ",
                  version(facts.runtime), " runtime needs (>= ", major, ".0", first_driver(major),
                  "): update the driver or use a build for CUDA ", facts.driver / 1000);
  }
  if (!facts.driver_error.empty()) return "the NVIDIA driver refuses: " + facts.driver_error;
  return "";
}

std::string why_not_device(const CudaFacts& facts) {
  if (facts.devices == 0 && facts.visible_devices) {
    return format("no device visible (CUDA_VISIBLE_DEVICES is \"", *facts.visible_devices, "\")");
  }
  if (facts.devices == 0) return "no device visible (the NVIDIA driver knows of none)";
  if (facts.ordinal < 0 || facts.ordinal >= facts.devices) {
    return format("there is no device cuda:", facts.ordinal,
                  ", the last one is cuda:", facts.devices - 1);
  }
  if (facts.capability < kOldestCapability) {
    return format("compute capability ", capability(facts.capability), " of ", facts.name,
                  " is below ", capability(kOldestCapability));
  }
  return "";
}

std::string why_not(const CudaFacts& facts) {
  if (std::string reason = why_not_driver(facts); !reason.empty()) return reason;
  if (std::string reason = why_not_device(facts); !reason.empty()) return reason;
  if (!facts.nvrtc_problem.empty()) return facts.nvrtc_problem;
  return facts.cudnn_problem;
}

}  // namespace

CudaStatus judge(const CudaFacts& facts) {
  CudaStatus status;
  status.devices = facts.devices;
  status.line = why_not(facts);
  status.usable = status.line.empty();
  if (status.usable) {
    status.line = format("cuda:", facts.ordinal, ' ', facts.name, ", compute capability ",
                         capability(facts.capability), ", driver ", version(facts.driver),
                         ", cuDNN ", facts.cudnn / 10000, '.', facts.cudnn / 100 % 100);
  }
  return status;
}

}  // namespace stoker::device
