// Devices: where a model keeps its weights and runs its steps.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace stoker {

namespace device {
class Device;
}

// Options of a device that behaves as a GPU does (memory of its own, work that runs later, copies
// that take time) and computes as the CPU does. It serves tests, and measurements of how a
// generator would keep up with a GPU. Times are in seconds, counts begin with 1.
struct SimulatedOptions {
  double upload_bytes_per_second = 0.0;  // 0: as fast as memory allows
  double step_seconds = 0.0;             // a step takes at least as long
  double launch_seconds = 0.0;           // the host is busy for so long to launch a step
  double jitter = 0.0;                   // 0.2: uploads and steps take up to 20% less or more
  std::int64_t memory_bytes = 0;         // the device's memory; 0: without a limit
  // Faults: the n-th allocation of device memory is refused; all pinned memory is refused; the n-th
  // call breaks the device (an error that every later call repeats), or loses it.
  std::optional<std::int64_t> refuse_allocation{};
  bool refuse_pinned = false;
  std::optional<std::int64_t> break_at_call{};
  std::optional<std::int64_t> lose_at_call{};
};

// A handle of a device; copies share the device.
class Device {
 public:
  static Device cpu();
  static Device simulated(SimulatedOptions options = {});
  // Returns the GPU of that number, as CUDA counts them. If it can't be used, throws a DeviceError
  // that says why: no CUDA in this build, no driver or one that is too old, no cuDNN.
  static Device cuda(int ordinal = 0);
  // Returns the device that the environment variable STOKER_DEVICE names ("cpu", "simulated",
  // "cuda", "cuda:1"), or throws DeviceError if it can't be used. Without the variable it returns
  // cuda() if that can be used, and otherwise the CPU. Models take this device unless they are
  // given another. This function prints nothing.
  static Device best();
  // Returns why best() is no CUDA device, in one line; empty if it is one. Throws if best() does.
  static std::string why_not_cuda();

  const std::string& name() const;
  // Whether the device has failed in a way that lasts: every call on it throws DeviceError, and
  // only another process can use it again. Out of memory is no such failure.
  bool is_lost() const;
  const std::shared_ptr<device::Device>& base() const { return base_; }
  explicit Device(std::shared_ptr<device::Device> base) : base_(std::move(base)) {}

 private:
  std::shared_ptr<device::Device> base_;
};

}  // namespace stoker
