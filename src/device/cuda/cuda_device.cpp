#include "device/cuda/cuda_device.h"

#include <algorithm>
#include <cstring>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::device {
namespace {

// cudaMalloc and cudaHostAlloc align to 256 bytes at least (CUDA C++ Programming Guide). Both give
// null for 0 bytes, so at least one is asked for.
std::size_t at_least_one(std::size_t bytes) { return std::max<std::size_t>(bytes, 1); }

// True once one of our devices has been made current in this thread.
thread_local bool thread_has_device = false;

class CudaBuffer final : public Buffer {
 public:
  CudaBuffer(CudaDevice& device, void* data, std::size_t bytes) : device_(device) {
    data_ = static_cast<std::byte*>(data);
    bytes_ = bytes;
  }
  ~CudaBuffer() override {
    if (device_.try_make_current()) device_.note(cudaFree(data_), "cudaFree");
  }
  CudaBuffer(const CudaBuffer&) = delete;
  CudaBuffer& operator=(const CudaBuffer&) = delete;

  void fill_zero() {
    // Our streams do not wait for this one, so the host must. It is not the default stream, since
    // using that could break a capture of somebody else's.
    const cudaStream_t stream = cudaStreamPerThread;
    device_.check(cudaMemsetAsync(data_, 0, at_least_one(bytes_), stream), "cudaMemsetAsync");
    device_.check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  }

 private:
  CudaDevice& device_;
};

class CudaPinnedBuffer final : public Buffer {
 public:
  CudaPinnedBuffer(CudaDevice& device, void* data, std::size_t bytes) : device_(device) {
    data_ = static_cast<std::byte*>(data);
    bytes_ = bytes;
    std::memset(data_, 0, at_least_one(bytes));
  }
  ~CudaPinnedBuffer() override {
    if (device_.try_make_current()) device_.note(cudaFreeHost(data_), "cudaFreeHost");
  }
  CudaPinnedBuffer(const CudaPinnedBuffer&) = delete;
  CudaPinnedBuffer& operator=(const CudaPinnedBuffer&) = delete;

 private:
  CudaDevice& device_;
};

[[noreturn]] void throw_out_of_memory(CudaDevice& device, std::size_t bytes) {
  cudaGetLastError();  // the error is reported here, so a later check must not find it
  std::size_t free = 0;
  std::size_t total = 0;
  device.check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  throw OutOfMemory(format(device.name(), ": out of memory: no ", bytes,
                           " bytes for a buffer (free: ", free, " of ", total, ")"));
}

[[noreturn]] void throw_no_pinned_memory(CudaDevice& device, std::size_t bytes) {
  cudaGetLastError();
  throw OutOfMemory(format(device.name(), ": no ", bytes, " bytes of pinned memory of the host"));
}

}  // namespace

// ---- Device ----

CudaDevice::CudaDevice(int ordinal)
    : ordinal_(ordinal), name_(format("cuda:", ordinal)), health_(name_) {
  make_current();
  cudaDeviceProp found{};
  check(cudaGetDeviceProperties(&found, ordinal_), "cudaGetDeviceProperties");
  properties_.name = found.name;
  properties_.capability_major = found.major;
  properties_.capability_minor = found.minor;
  properties_.multiprocessors = found.multiProcessorCount;
  properties_.memory_bytes = found.totalGlobalMem;
}

void CudaDevice::make_current() {
  health_.require();
  check(cudaSetDevice(ordinal_), "cudaSetDevice");
  thread_has_device = true;
}

void CudaDevice::attach() {
  if (!thread_has_device) return make_current();
  health_.require();
}

bool CudaDevice::try_make_current() noexcept {
  if (health_.is_broken()) return false;
  const cudaError_t error = cudaSetDevice(ordinal_);
  note(error, "cudaSetDevice");
  return error == cudaSuccess;
}

std::unique_ptr<Buffer> CudaDevice::allocate(std::size_t bytes) {
  make_current();
  void* data = nullptr;
  const cudaError_t error = cudaMalloc(&data, at_least_one(bytes));
  if (error == cudaErrorMemoryAllocation) throw_out_of_memory(*this, bytes);
  check(error, "cudaMalloc");
  auto buffer = std::make_unique<CudaBuffer>(*this, data, bytes);
  buffer->fill_zero();
  return buffer;
}

std::unique_ptr<Buffer> CudaDevice::allocate_pinned(std::size_t bytes) {
  make_current();
  void* data = nullptr;
  const cudaError_t error = cudaHostAlloc(&data, at_least_one(bytes), cudaHostAllocDefault);
  if (error == cudaErrorMemoryAllocation) throw_no_pinned_memory(*this, bytes);
  check(error, "cudaHostAlloc");
  return std::make_unique<CudaPinnedBuffer>(*this, data, bytes);
}

std::optional<DeviceMemory> CudaDevice::memory() {
  make_current();
  std::size_t free = 0;
  std::size_t total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return DeviceMemory{static_cast<std::int64_t>(free), static_cast<std::int64_t>(total)};
}

std::unique_ptr<Stream> CudaDevice::make_stream() { return std::make_unique<CudaStream>(*this); }
std::unique_ptr<Event> CudaDevice::make_event() {
  return std::make_unique<CudaEvent>(*this, false);
}
std::unique_ptr<Event> CudaDevice::make_timed_event() {
  return std::make_unique<CudaEvent>(*this, true);
}

// ---- Events ----

CudaEvent::CudaEvent(CudaDevice& device, bool timed) : device_(device) {
  device_.make_current();
  device_.check(
      cudaEventCreateWithFlags(&event_, timed ? cudaEventDefault : cudaEventDisableTiming),
      "cudaEventCreateWithFlags");
}

CudaEvent::~CudaEvent() {
  if (device_.try_make_current()) device_.note(cudaEventDestroy(event_), "cudaEventDestroy");
}

bool CudaEvent::has_passed() {
  device_.attach();
  const cudaError_t error = cudaEventQuery(event_);
  if (error == cudaErrorNotReady) {
    cudaGetLastError();  // "not ready" is an answer, so a later check must not find it
    return false;
  }
  device_.check(error, "cudaEventQuery");
  return true;
}

void CudaEvent::synchronize() {
  device_.attach();
  device_.check(cudaEventSynchronize(event_), "cudaEventSynchronize");
}

double CudaEvent::seconds_since(Event& earlier) {
  device_.attach();
  float milliseconds = 0.0f;
  device_.check(
      cudaEventElapsedTime(&milliseconds, static_cast<CudaEvent&>(earlier).handle(), event_),
      "cudaEventElapsedTime");
  return 1e-3 * static_cast<double>(milliseconds);
}

// ---- Streams ----

CudaStream::CudaStream(CudaDevice& device) : device_(device) {
  device_.make_current();
  device_.check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking),
                "cudaStreamCreateWithFlags");
}

CudaStream::~CudaStream() {
  if (device_.try_make_current()) device_.note(cudaStreamDestroy(stream_), "cudaStreamDestroy");
}

void CudaStream::copy_to_device(std::byte* to, const std::byte* from, std::size_t bytes) {
  device_.attach();
  device_.check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_),
                "cudaMemcpyAsync to the device");
}

void CudaStream::copy_to_host(std::byte* to, const std::byte* from, std::size_t bytes) {
  device_.attach();
  device_.check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_),
                "cudaMemcpyAsync to the host");
}

void CudaStream::fill_zero(std::byte* to, std::size_t bytes) {
  device_.make_current();
  device_.check(cudaMemsetAsync(to, 0, bytes, stream_), "cudaMemsetAsync");
}

// The source is pageable, and cudaMemcpyAsync returns once such memory has been copied to a staging
// area (CUDA Runtime API, "API synchronization behavior").
void CudaStream::write(std::byte* to, std::span<const std::byte> value) {
  std::byte pageable[kMostWritten];
  std::ranges::copy(value, pageable);
  device_.attach();
  device_.check(cudaMemcpyAsync(to, pageable, value.size(), cudaMemcpyHostToDevice, stream_),
                "cudaMemcpyAsync of a value");
}

void CudaStream::gather_rows(std::span<const RowGather> gathers,
                             std::span<const std::int64_t> rows) {
  if (rows.empty() || gathers.empty()) return;
  device_.make_current();
  if (!row_numbers_ || row_numbers_->bytes() < rows.size_bytes()) {
    row_numbers_ = device_.allocate(rows.size_bytes());
  }
  copy_to_device(row_numbers_->data(), reinterpret_cast<const std::byte*>(rows.data()),
                 rows.size_bytes());
  const auto* numbers = reinterpret_cast<const std::int64_t*>(row_numbers_->data());
  for (const RowGather& gather : gathers) {
    if (gather.row_bytes == 0) continue;
    device_.check(enqueue_gather(gather, numbers, rows.size(), stream_), "the launch of a gather");
  }
}

void CudaStream::launch(Work& work) {
  device_.make_current();
  work.run();
}

void CudaStream::record(Event& event) {
  device_.attach();
  device_.check(cudaEventRecord(static_cast<CudaEvent&>(event).handle(), stream_),
                "cudaEventRecord");
}

void CudaStream::wait(Event& event) {
  device_.attach();
  device_.check(cudaStreamWaitEvent(stream_, static_cast<CudaEvent&>(event).handle(), 0),
                "cudaStreamWaitEvent");
}

void CudaStream::synchronize() {
  device_.make_current();
  device_.check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
}

}  // namespace stoker::device
