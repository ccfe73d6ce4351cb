// Devices: memory, streams and events, in an interface that every kind of device can offer. cpu/
// runs everything at once on the calling thread; simulated/ and cuda/ are asynchronous.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "stoker/device.h"
#include "stoker/error.h"

namespace stoker::device {

// Memory of a device, or pinned memory of the host; zero when it is made, aligned to 256 bytes.
class Buffer {
 public:
  virtual ~Buffer() = default;
  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 protected:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

// Says that there was not enough memory, and that nothing else is wrong with the device. The code
// that knows what the memory was for catches it and says what to do.
class OutOfMemory : public DeviceError {
 public:
  using DeviceError::DeviceError;
};

// A device's memory, in bytes.
struct DeviceMemory {
  std::int64_t free = 0;
  std::int64_t total = 0;
};

// A point in a stream's work.
class Event {
 public:
  virtual ~Event() = default;
  virtual bool has_passed() = 0;
  virtual void synchronize() = 0;
  // Returns the time between the last record of `earlier` and that of this event, both of which
  // have passed. It is negative when they came the other way round. Both events are from
  // make_timed_event().
  virtual double seconds_since(Event& earlier) = 0;
};

// A copy of rows from one place on the device to another.
struct RowGather {
  std::byte* to = nullptr;
  const std::byte* from = nullptr;
  std::size_t row_bytes = 0;
};

// A captured program, which a stream runs as a whole. It must stay alive and unchanged until it has
// run.
class Work {
 public:
  virtual ~Work() = default;
  // The thread that stands for the device calls run(), which throws nothing. On CUDA, launch()
  // calls run() on the host's thread; there it enqueues on that stream, and may throw DeviceError.
  virtual void run() = 0;
};

// A queue of work that is done in order. Copies are asynchronous where the device has memory of its
// own; the memory must stay until the work is done.
class Stream {
 public:
  static constexpr std::size_t kMostWritten = 16;

  virtual ~Stream() = default;
  virtual void copy_to_device(std::byte* to, const std::byte* from, std::size_t bytes) = 0;
  virtual void copy_to_host(std::byte* to, const std::byte* from, std::size_t bytes) = 0;
  virtual void fill_zero(std::byte* to, std::size_t bytes) = 0;
  // Enqueues a write of at most kMostWritten bytes, which are copied before the call returns.
  virtual void write(std::byte* to, std::span<const std::byte> value) = 0;
  // Copies row rows[i] of `from` to row i of `to`, for each of the gathers. `rows` is the host's
  // memory and, unlike `gathers`, has to stay until the work is done.
  virtual void gather_rows(std::span<const RowGather> gathers,
                           std::span<const std::int64_t> rows) = 0;
  virtual void launch(Work& work) = 0;
  virtual void record(Event& event) = 0;
  // Makes work that is enqueued from now on start after the work that `event` has recorded so far.
  virtual void wait(Event& event) = 0;
  virtual void synchronize() = 0;
  // Returns the stream's cudaStream_t; null on other devices.
  virtual void* native() { return nullptr; }
};

// Does the work of gather_rows() at once, on the host, for memory that the host can reach.
void gather_rows_now(const RowGather& gather, std::span<const std::int64_t> rows);

enum class Kind : std::uint8_t { cpu, simulated, cuda };

class Device : public std::enable_shared_from_this<Device> {
 public:
  virtual ~Device() = default;
  virtual Kind kind() const = 0;
  // Whether an earlier error lasts, so that no call can succeed any more.
  virtual bool is_broken() const { return false; }
  virtual const std::string& name() const = 0;  // "cpu", "simulated", "cuda:0"
  // Returns whether steps read the pinned slot itself, so that there is nothing to upload.
  virtual bool reads_host_memory() const = 0;
  // Both throw OutOfMemory, which says how much was asked for, when there is not enough memory.
  virtual std::unique_ptr<Buffer> allocate(std::size_t bytes) = 0;
  virtual std::unique_ptr<Buffer> allocate_pinned(std::size_t bytes) = 0;
  // Returns nullopt where the device does not know.
  virtual std::optional<DeviceMemory> memory() { return std::nullopt; }
  virtual std::unique_ptr<Stream> make_stream() = 0;
  virtual std::unique_ptr<Event> make_event() = 0;
  virtual std::unique_ptr<Event> make_timed_event() = 0;
};

// Allocates memory of the host that no device knows of. Throws OutOfMemory.
std::unique_ptr<Buffer> allocate_pageable(std::size_t bytes);
// Allocates pinned memory or, where that is refused, pageable memory; for small copies whose speed
// does not matter.
std::unique_ptr<Buffer> allocate_staging(Device& device, std::size_t bytes);

std::shared_ptr<Device> make_cpu_device();
std::shared_ptr<Device> make_simulated_device(const SimulatedOptions& options);

}  // namespace stoker::device
