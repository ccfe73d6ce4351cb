// The public handle.
#include "stoker/device.h"

#include <cstdlib>
#include <string_view>

#include "core/format.h"
#include "device/device.h"
#include "stoker/error.h"

namespace stoker {

Device Device::cpu() { return Device(device::make_cpu_device()); }
Device Device::simulated(SimulatedOptions options) {
  return Device(device::make_simulated_device(options));
}

Device Device::best() {
  const char* wanted = std::getenv("STOKER_DEVICE");
  if (wanted == nullptr || *wanted == '\0' || std::string_view(wanted) == "cpu") return cpu();
  if (std::string_view(wanted) == "simulated") return simulated();
  throw DeviceError(
      format("STOKER_DEVICE: there is no device \"", wanted, "\"; there are cpu and simulated"));
}

const std::string& Device::name() const { return base_->name(); }

}  // namespace stoker
