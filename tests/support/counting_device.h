// A device that counts the calls of its host.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "device/device.h"

namespace stoker::test {

// The calls on all streams and events of a device.
struct HostCalls {
  std::atomic<std::int64_t> copies_to_device{0};
  std::atomic<std::int64_t> copies_to_host{0};
  std::atomic<std::int64_t> fills{0};
  std::atomic<std::int64_t> writes{0};
  std::atomic<std::int64_t> launches{0};
  std::atomic<std::int64_t> records{0};
  std::atomic<std::int64_t> waits{0};             // Of streams for events.
  std::atomic<std::int64_t> synchronizations{0};  // Of the host with streams.
  std::atomic<std::int64_t> event_waits{0};       // Of the host for events.
  std::atomic<std::int64_t> queries{0};           // Of events.
};

// Returns a device that does everything by `inner` and counts in `calls`, which outlives it.
std::shared_ptr<device::Device> counting_device(std::shared_ptr<device::Device> inner,
                                                HostCalls& calls);

}  // namespace stoker::test
