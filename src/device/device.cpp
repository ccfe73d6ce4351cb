// The public handle of a device.
#include "stoker/device.h"

#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "core/format.h"
#include "device/cuda_status.h"
#include "device/device.h"
#include "stoker/error.h"

namespace stoker {

namespace {

struct Choice {
  std::shared_ptr<device::Device> device;
  std::string why_not_cuda;
};

// Returns the N of "cuda:N"; 0 for "cuda".
std::optional<int> cuda_ordinal(std::string_view name) {
  constexpr std::string_view kPrefix = "cuda:";
  if (name == "cuda") return 0;
  if (!name.starts_with(kPrefix)) return std::nullopt;
  const char* end = name.data() + name.size();
  int ordinal = 0;
  const auto [rest, error] = std::from_chars(name.data() + kPrefix.size(), end, ordinal);
  if (error != std::errc() || rest != end) return std::nullopt;
  return ordinal;
}

Choice choose_by_name(std::string_view name) {
  if (name == "cpu") return {device::make_cpu_device(), "STOKER_DEVICE is cpu"};
  if (name == "simulated") {
    // All models of the process are on one device, as they are on one GPU. It is never destroyed,
    // since models of static lifetime may outlive everything else.
    static const auto* const device =
        new std::shared_ptr<device::Device>(device::make_simulated_device({}));
    return {*device, "STOKER_DEVICE is simulated"};
  }
  if (const auto ordinal = cuda_ordinal(name)) return {device::make_cuda_device(*ordinal), ""};
  throw DeviceError(format("STOKER_DEVICE: there is no device \"", name,
                           "\"; there are cpu, simulated, cuda and cuda:N"));
}

Choice choose() {
  const char* wanted = std::getenv("STOKER_DEVICE");
  if (wanted != nullptr && *wanted != '\0') return choose_by_name(wanted);
  const device::CudaStatus& cuda = device::cuda_status();
  if (!cuda.usable) return {device::make_cpu_device(), cuda.line};
  try {
    return {device::make_cuda_device(0), ""};
  } catch (const DeviceError& error) {  // the device is reserved by another process, for example
    return {device::make_cpu_device(), error.what()};
  }
}

}  // namespace

Device Device::cpu() { return Device(device::make_cpu_device()); }
Device Device::simulated(SimulatedOptions options) {
  return Device(device::make_simulated_device(options));
}

Device Device::cuda(int ordinal) { return Device(device::make_cuda_device(ordinal)); }
Device Device::best() { return Device(choose().device); }
std::string Device::why_not_cuda() { return choose().why_not_cuda; }

const std::string& Device::name() const {
  if (!base_) throw ValueError("Device: expected a device, received one that was moved from");
  return base_->name();
}

bool Device::is_lost() const { return base_ && base_->is_broken(); }

}  // namespace stoker
