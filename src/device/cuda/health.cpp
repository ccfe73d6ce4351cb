#include "device/cuda/health.h"

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::device {
namespace {

std::string describe(cudaError_t error, const char* call) {
  return format(cudaGetErrorName(error), " in ", call, " (", cudaGetErrorString(error), ')');
}

}  // namespace

bool is_sticky(cudaError_t error) {
  switch (error) {
    // "This leaves the process in an inconsistent state" (driver_types.h).
    case cudaErrorContained:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorTensorMemoryLeak:
    case cudaErrorMpsClientTerminated:
    case cudaErrorExternalDevice:
    // These mean that hardware failed or is gone, or that somebody destroyed the context.
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorDevicesUnavailable:
    case cudaErrorContextIsDestroyed:
    case cudaErrorUnknown:
      return true;
    default:
      return false;
  }
}

void Health::require() const {
  if (is_broken()) throw DeviceError(message_);
}

void Health::check(cudaError_t error, const char* call) {
  if (error == cudaSuccess) return;
  if (is_sticky(error)) break_down(error, call);
  require();
  cudaGetLastError();  // otherwise the check of a launch would find this error again
  throw DeviceError(format(device_, ": ", describe(error, call)));
}

void Health::note(cudaError_t error, const char* call) noexcept {
  if (error == cudaSuccess) return;
  if (!is_sticky(error)) {
    if (!is_broken()) cudaGetLastError();
    return;
  }
  try {
    break_down(error, call);
  } catch (...) {  // there is no memory for the message, and the next call meets the same error
  }
}

void Health::break_down(cudaError_t error, const char* call) {
  const std::lock_guard lock(mutex_);
  if (is_broken()) return;
  message_ =
      format(device_, ": ", describe(error, call), "; this process can't use the device any more");
  broken_.store(true, std::memory_order_release);
}

}  // namespace stoker::device
