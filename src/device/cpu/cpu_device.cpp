// The CPU as a device: its memory is the host's, its streams finish before they return.
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "core/align.h"
#include "core/format.h"
#include "device/device.h"
#include "stoker/error.h"

namespace stoker::device {
namespace {

class HostBuffer final : public Buffer {
 public:
  explicit HostBuffer(std::size_t bytes) {
    const bool is_large = bytes >= 2 * kHugePage;
    const std::size_t alignment = is_large ? kHugePage : static_cast<std::size_t>(kAlignment);
    const std::size_t size = aligned(std::max<std::size_t>(bytes, 1), alignment);
    bytes_ = bytes;
    data_ = static_cast<std::byte*>(std::aligned_alloc(alignment, size));
    if (data_ == nullptr) {
      throw OutOfMemory(format("no memory of the host for a buffer of ", bytes, " bytes"));
    }
    // The system then gives 2 MiB at a time where it can. In pages of 4 KiB, most of the time in
    // which a large model is loaded would go into asking for them.
    if (is_large) madvise(data_, size, MADV_HUGEPAGE);
    std::memset(data_, 0, size);
  }
  ~HostBuffer() override { std::free(data_); }

 private:
  static constexpr std::size_t kHugePage = std::size_t{1} << 21;
};

class ImmediateEvent final : public Event {
 public:
  bool has_passed() override { return true; }
  void synchronize() override {}
  // Work on the CPU is done when the call returns, so nothing measures it by events.
  double seconds_since(Event&) override { return 0.0; }
};

class ImmediateStream final : public Stream {
 public:
  void copy_to_device(std::byte* to, const std::byte* from, std::size_t bytes) override {
    std::memcpy(to, from, bytes);
  }
  void copy_to_host(std::byte* to, const std::byte* from, std::size_t bytes) override {
    std::memcpy(to, from, bytes);
  }
  void fill_zero(std::byte* to, std::size_t bytes) override { std::memset(to, 0, bytes); }
  void write(std::byte* to, std::span<const std::byte> value) override {
    std::memcpy(to, value.data(), value.size());
  }
  void gather_rows(std::span<const RowGather> gathers,
                   std::span<const std::int64_t> rows) override {
    for (const RowGather& gather : gathers) gather_rows_now(gather, rows);
  }
  void launch(Work& work) override { work.run(); }
  void record(Event&) override {}
  void wait(Event&) override {}
  void synchronize() override {}
};

class CpuDevice final : public Device {
 public:
  Kind kind() const override { return Kind::cpu; }
  const std::string& name() const override { return name_; }
  bool reads_host_memory() const override { return true; }
  std::unique_ptr<Buffer> allocate(std::size_t bytes) override {
    return std::make_unique<HostBuffer>(bytes);
  }
  std::unique_ptr<Buffer> allocate_pinned(std::size_t bytes) override {
    return std::make_unique<HostBuffer>(bytes);
  }
  // The memory is the operating system's estimate (proc(5)), which does not know of a container's
  // own limit.
  std::optional<DeviceMemory> memory() override {
    DeviceMemory memory;
    std::ifstream file("/proc/meminfo");
    std::string key;
    std::string unit;
    for (std::int64_t kib = 0; file >> key >> kib >> unit;) {
      if (key == "MemTotal:") memory.total = kib * 1024;
      if (key == "MemAvailable:") {
        memory.free = kib * 1024;
        return memory;
      }
    }
    return std::nullopt;
  }
  std::unique_ptr<Stream> make_stream() override { return std::make_unique<ImmediateStream>(); }
  std::unique_ptr<Event> make_event() override { return std::make_unique<ImmediateEvent>(); }
  std::unique_ptr<Event> make_timed_event() override { return make_event(); }

 private:
  std::string name_ = "cpu";
};

}  // namespace

void gather_rows_now(const RowGather& gather, std::span<const std::int64_t> rows) {
  std::byte* to = gather.to;
  for (const std::int64_t row : rows) {
    std::memcpy(to, gather.from + static_cast<std::size_t>(row) * gather.row_bytes,
                gather.row_bytes);
    to += gather.row_bytes;
  }
}

std::unique_ptr<Buffer> allocate_pageable(std::size_t bytes) {
  return std::make_unique<HostBuffer>(bytes);
}

std::unique_ptr<Buffer> allocate_staging(Device& device, std::size_t bytes) {
  try {
    return device.allocate_pinned(bytes);
  } catch (const OutOfMemory&) {
    return allocate_pageable(bytes);
  }
}

std::shared_ptr<Device> make_cpu_device() { return std::make_shared<CpuDevice>(); }

}  // namespace stoker::device
