// Errors of CUDA's. Most leave the device as it was, but after a sticky one the process cannot use
// it any more. A sticky error is thrown by the call that met it and then by every later one, which
// does not call CUDA again.
#pragma once

#include <cuda_runtime_api.h>

#include <atomic>
#include <mutex>
#include <string>

namespace stoker::device {

// Returns whether every later call gives the same error, until the process ends.
bool is_sticky(cudaError_t error);

// The health of one device; any thread may use it.
class Health {
 public:
  explicit Health(std::string device) : device_(std::move(device)) {}

  // Throws DeviceError if the device is broken.
  void require() const;
  // Throws DeviceError if `error` is one, or if the device broke meanwhile. `call` says what was
  // being done, as "cudaStreamSynchronize".
  void check(cudaError_t error, const char* call);
  // Destructors call it: it remembers a sticky error for the next call and forgets all others.
  void note(cudaError_t error, const char* call) noexcept;
  bool is_broken() const { return broken_.load(std::memory_order_acquire); }

 private:
  void break_down(cudaError_t error, const char* call);

  const std::string device_;
  std::atomic<bool> broken_{false};
  std::mutex mutex_;
  std::string message_;  // written before broken_ is set, never after
};

}  // namespace stoker::device
