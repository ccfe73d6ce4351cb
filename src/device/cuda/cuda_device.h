// CUDA behind the device interface: every function passes its call on to CUDA and decides nothing.
// Only this folder and backend/cuda/ include this header; the backend decides what is launched on a
// stream.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "device/cuda/health.h"
#include "device/device.h"

namespace stoker::device {

struct CudaProperties {
  std::string name;
  int capability_major = 0;
  int capability_minor = 0;
  int multiprocessors = 0;
  std::size_t memory_bytes = 0;
};

// A device of the primary context. Any thread may call it; make_cuda_device() makes the only one of
// each ordinal, which lives until the process ends, so that what it makes may refer to it.
class CudaDevice final : public Device {
 public:
  explicit CudaDevice(int ordinal);

  Kind kind() const override { return Kind::cuda; }
  bool is_broken() const override { return health_.is_broken(); }
  const std::string& name() const override { return name_; }
  bool reads_host_memory() const override { return false; }
  std::unique_ptr<Buffer> allocate(std::size_t bytes) override;
  std::unique_ptr<Buffer> allocate_pinned(std::size_t bytes) override;
  std::optional<DeviceMemory> memory() override;
  std::unique_ptr<Stream> make_stream() override;
  std::unique_ptr<Event> make_event() override;
  std::unique_ptr<Event> make_timed_event() override;

  int ordinal() const { return ordinal_; }
  const CudaProperties& properties() const { return properties_; }

  // Must precede calls of CUDA's. It throws if the device is broken, and makes it the thread's
  // current one. It does so each time, since the thread belongs to the user, who may have made
  // another device current.
  void make_current();
  // Must precede calls that name what they work on by a stream or an event, and whose result does
  // not depend on the current device (CUDA C++ Programming Guide, "Stream and Event Behavior"). It
  // makes the device current once for each thread; otherwise the runtime would set up device 0 for
  // that thread.
  void attach();
  // Must take the result of each call of CUDA's. It throws DeviceError with CUDA's name for the
  // error.
  void check(cudaError_t error, const char* call) { health_.check(error, call); }
  // Destructors use these instead, since they cannot throw: try_make_current() returns false if the
  // device is broken and must not be called, and note() keeps the error.
  bool try_make_current() noexcept;
  void note(cudaError_t error, const char* call) noexcept { health_.note(error, call); }

 private:
  const int ordinal_;
  const std::string name_;
  Health health_;
  CudaProperties properties_;
};

class CudaEvent final : public Event {
 public:
  CudaEvent(CudaDevice& device, bool timed);
  ~CudaEvent() override;
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;

  bool has_passed() override;
  void synchronize() override;
  double seconds_since(Event& earlier) override;

  cudaEvent_t handle() const { return event_; }

 private:
  CudaDevice& device_;
  cudaEvent_t event_ = nullptr;
};

// A stream that is not synchronised with the default stream. Copies from or to host memory that is
// not pinned block the host as CUDA's do.
class CudaStream final : public Stream {
 public:
  explicit CudaStream(CudaDevice& device);
  ~CudaStream() override;
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;

  void copy_to_device(std::byte* to, const std::byte* from, std::size_t bytes) override;
  void copy_to_host(std::byte* to, const std::byte* from, std::size_t bytes) override;
  void fill_zero(std::byte* to, std::size_t bytes) override;
  void write(std::byte* to, std::span<const std::byte> value) override;
  // Takes one upload of the row numbers, and a launch for each of the gathers. It allocates if
  // there are more rows than ever before.
  void gather_rows(std::span<const RowGather> gathers, std::span<const std::int64_t> rows) override;
  // Runs `work` at once on the calling thread: it is host code that enqueues on handle().
  void launch(Work& work) override;
  void record(Event& event) override;
  void wait(Event& event) override;
  void synchronize() override;

  void* native() override { return stream_; }

  CudaDevice& device() const { return device_; }
  cudaStream_t handle() const { return stream_; }

 private:
  CudaDevice& device_;
  cudaStream_t stream_ = nullptr;
  // The row numbers on the device for gather_rows(). The next upload is enqueued behind the
  // launches that read them.
  std::unique_ptr<Buffer> row_numbers_;
};

// Enqueues the kernel that does what one gather says; `rows` lies on the device. backend/cuda/frame
// defines this function and the kernel.
cudaError_t enqueue_gather(const RowGather& gather, const std::int64_t* rows, std::size_t count,
                           cudaStream_t stream);

}  // namespace stoker::device
