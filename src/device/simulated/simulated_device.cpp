// A device on the CPU that behaves as CUDA does: it has memory of its own, which is poisoned when
// it is freed; streams, which are threads; events; uploads and steps that take as long as the
// options say; and faults on demand. Errors in a training's order of copies and launches therefore
// show on this device too.
#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <variant>
#include <vector>

#include "core/align.h"
#include "core/format.h"
#include "device/device.h"
#include "stoker/error.h"
#include "stoker/random.h"

namespace stoker::device {
namespace {

using Clock = std::chrono::steady_clock;

// Freed memory reads as a large negative number in float32, and as a label that is out of range.
constexpr int kPoison = 0xfb;

// Counts the calls, throws from the call on that the options name, and counts the bytes in use.
class Health {
 public:
  explicit Health(const SimulatedOptions& options) : options_(options) {}

  // Every call on the device begins with this. Once it has thrown, it throws always.
  void call() {
    const std::int64_t number = ++calls_;
    if (options_.break_at_call && number >= *options_.break_at_call) {
      throw DeviceError(format("simulated: a sticky error, first seen at call ",
                               *options_.break_at_call, "; the device takes no calls any more"));
    }
    if (options_.lose_at_call && number >= *options_.lose_at_call) {
      throw DeviceError(format("simulated: the device was lost at call ", *options_.lose_at_call));
    }
  }
  bool is_broken() const {
    const std::int64_t calls = calls_.load();
    return (options_.break_at_call && calls >= *options_.break_at_call) ||
           (options_.lose_at_call && calls >= *options_.lose_at_call);
  }
  void allocate(std::size_t bytes) {
    call();
    if (options_.refuse_allocation && ++allocations_ == *options_.refuse_allocation) {
      throw OutOfMemory(format("simulated: out of memory: no ", bytes, " bytes for a buffer"));
    }
    take(static_cast<std::int64_t>(bytes));
  }
  void free(std::size_t bytes) { used_ -= static_cast<std::int64_t>(bytes); }
  std::optional<DeviceMemory> memory() const {
    if (options_.memory_bytes == 0) return std::nullopt;
    return DeviceMemory{options_.memory_bytes - used_, options_.memory_bytes};
  }
  void allocate_pinned(std::size_t bytes) {
    call();
    if (options_.refuse_pinned) {
      throw OutOfMemory(format("simulated: no ", bytes, " bytes of pinned memory"));
    }
  }
  const SimulatedOptions& options() const { return options_; }

 private:
  void take(std::int64_t bytes) {
    std::int64_t used = used_;
    do {
      const std::int64_t free = options_.memory_bytes - used;
      if (options_.memory_bytes > 0 && bytes > free) {
        throw OutOfMemory(format("simulated: out of memory: no ", bytes,
                                 " bytes for a buffer (free: ", free, " of ", options_.memory_bytes,
                                 ")"));
      }
    } while (!used_.compare_exchange_weak(used, used + bytes));
  }

  const SimulatedOptions options_;
  std::atomic<std::int64_t> calls_{0};
  std::atomic<std::int64_t> allocations_{0};
  std::atomic<std::int64_t> used_{0};  // bytes of device memory, as asked for
};

class SimulatedBuffer final : public Buffer {
 public:
  explicit SimulatedBuffer(std::size_t bytes) : size_(aligned(std::max<std::size_t>(bytes, 1))) {
    bytes_ = bytes;
    data_ = static_cast<std::byte*>(std::aligned_alloc(kAlignment, size_));
    if (data_ == nullptr) throw OutOfMemory(format("simulated: no memory for ", bytes, " bytes"));
    std::memset(data_, 0, size_);
  }
  ~SimulatedBuffer() override {
    std::memset(data_, kPoison, size_);
    std::free(data_);
  }

 private:
  std::size_t size_;
};

// Counts its bytes as used before it allocates them, and as free after it has freed them.
class SimulatedDeviceBuffer final : public Buffer {
 public:
  SimulatedDeviceBuffer(Health& health, std::size_t bytes) : taken_(health, bytes), memory_(bytes) {
    data_ = memory_.data();
    bytes_ = bytes;
  }

 private:
  struct Taken {
    Taken(Health& from, std::size_t count) : health(from), bytes(count) { health.allocate(bytes); }
    ~Taken() { health.free(bytes); }
    Taken(const Taken&) = delete;
    Taken& operator=(const Taken&) = delete;
    Health& health;
    std::size_t bytes;
  };

  Taken taken_;
  SimulatedBuffer memory_;
};

// An event is recorded when a stream is told to, and passes when the stream gets there. Marks count
// the records, since a wait covers the last record before it, as CUDA's do. `due` is the time at
// which the event should have passed.
class SimulatedEvent final : public Event {
 public:
  explicit SimulatedEvent(Health& health) : health_(health) {}

  bool has_passed() override {
    health_.call();
    const std::lock_guard lock(mutex_);
    return passed_ >= recorded_;
  }
  void synchronize() override {
    health_.call();
    wait_for(last_record());
  }

  double seconds_since(Event& earlier) override {
    health_.call();
    return std::chrono::duration<double>(due() - static_cast<SimulatedEvent&>(earlier).due())
        .count();
  }

  std::uint64_t record() {
    const std::lock_guard lock(mutex_);
    return ++recorded_;
  }
  std::uint64_t last_record() {
    const std::lock_guard lock(mutex_);
    return recorded_;
  }
  void pass(std::uint64_t mark, Clock::time_point due) {
    // The event is notified under the lock: a thread that waits may destroy it as soon as it has
    // the lock.
    const std::lock_guard lock(mutex_);
    passed_ = mark;
    due_ = due;
    changed_.notify_all();
  }
  Clock::time_point due() {
    const std::lock_guard lock(mutex_);
    return due_;
  }
  Clock::time_point wait_for(std::uint64_t mark) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return passed_ >= mark; });
    return due_;
  }

 private:
  Health& health_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t recorded_ = 0;
  std::uint64_t passed_ = 0;
  Clock::time_point due_;
};

struct Copy {
  std::byte* to;
  const std::byte* from;
  std::size_t bytes;
  bool upload;
};
struct Zero {
  std::byte* to;
  std::size_t bytes;
};
struct Write {
  std::byte* to;
  std::array<std::byte, Stream::kMostWritten> value;
  std::size_t bytes;
};
struct Gather {
  RowGather what;
  std::span<const std::int64_t> rows;
};
struct Launch {
  Work* work;
};
struct Record {
  SimulatedEvent* event;
  std::uint64_t mark;
};
struct Wait {
  SimulatedEvent* event;
  std::uint64_t mark;
};
struct Command {
  std::variant<Copy, Zero, Write, Gather, Launch, Record, Wait> what;
  Clock::time_point pushed;
};

// A thread that works through its commands. The queue has a fixed size, so that enqueueing does not
// allocate; the host waits when it is full, as it does on a GPU.
class SimulatedStream final : public Stream {
 public:
  // `number` is the stream's. Each stream has jitter of its own, the same in every run.
  SimulatedStream(Health& health, std::uint32_t number)
      : health_(health), queue_(kCapacity), random_(0, number) {
    try {
      thread_ = std::thread([this] { run(); });
    } catch (const std::system_error& error) {
      std::throw_with_nested(DeviceError(
          format("simulated: a stream needs a thread, and the system gives none: ", error.what(),
                 ". It may have too many (ulimit -u)")));
    }
    pthread_setname_np(thread_.native_handle(), "stoker-stream");
  }
  ~SimulatedStream() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  void copy_to_device(std::byte* to, const std::byte* from, std::size_t bytes) override {
    push(Copy{to, from, bytes, true});
  }
  void copy_to_host(std::byte* to, const std::byte* from, std::size_t bytes) override {
    push(Copy{to, from, bytes, false});
  }
  void fill_zero(std::byte* to, std::size_t bytes) override { push(Zero{to, bytes}); }
  void write(std::byte* to, std::span<const std::byte> value) override {
    Write command{to, {}, value.size()};
    std::ranges::copy(value, command.value.begin());
    push(command);
  }
  void gather_rows(std::span<const RowGather> gathers,
                   std::span<const std::int64_t> rows) override {
    for (const RowGather& gather : gathers) push(Gather{gather, rows});
  }
  void launch(Work& work) override {
    const Clock::time_point end =
        Clock::now() + std::chrono::duration_cast<Clock::duration>(
                           std::chrono::duration<double>(health_.options().launch_seconds));
    push(Launch{&work});
    while (Clock::now() < end) {  // a driver does not sleep either
    }
  }
  void record(Event& event) override {
    auto& own = static_cast<SimulatedEvent&>(event);
    push(Record{&own, own.record()});
  }
  void wait(Event& event) override {
    auto& own = static_cast<SimulatedEvent&>(event);
    push(Wait{&own, own.last_record()});
  }
  void synchronize() override {
    // Work that was enqueued is finished before a broken device is reported.
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done_ == pushed_; });
    lock.unlock();
    health_.call();
  }

 private:
  static constexpr std::size_t kCapacity = 1024;
  // A thread may wake up this late without its work counting as slow.
  static constexpr auto kLateness = std::chrono::milliseconds(2);

  template <class T>
  void push(T command) {
    health_.call();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return pushed_ - done_ < kCapacity; });
    queue_[pushed_ % kCapacity] = {command, Clock::now()};
    ++pushed_;
    lock.unlock();
    changed_.notify_all();
  }

  void run() {
    for (;;) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return done_ != pushed_ || stopping_; });
      if (done_ == pushed_) return;
      const Command command = queue_[done_ % kCapacity];
      lock.unlock();
      due_ = std::max(due_, command.pushed);
      std::visit([this](const auto& one) { execute(one); }, command.what);
      lock.lock();
      ++done_;
      lock.unlock();
      changed_.notify_all();
    }
  }

  void execute(const Copy& copy) {
    std::memcpy(copy.to, copy.from, copy.bytes);
    const double rate = health_.options().upload_bytes_per_second;
    take(copy.upload && rate > 0.0 ? static_cast<double>(copy.bytes) / rate : 0.0);
  }
  void execute(const Zero& zero) { std::memset(zero.to, 0, zero.bytes); }
  void execute(const Write& write) { std::memcpy(write.to, write.value.data(), write.bytes); }
  void execute(const Gather& gather) { gather_rows_now(gather.what, gather.rows); }
  void execute(const Launch& launch) {
    launch.work->run();
    take(health_.options().step_seconds);
  }
  void execute(const Record& record) { record.event->pass(record.mark, due_); }
  void execute(const Wait& wait) {
    if (wait.mark > 0) due_ = std::max(due_, wait.event->wait_for(wait.mark));
  }

  // Makes the work that was just done last `seconds`, if it did not last longer by itself.
  void take(double seconds) {
    if (seconds <= 0.0) {
      due_ = std::max(due_, Clock::now());  // the work takes as long as it really took
      return;
    }
    const auto jitter = static_cast<float>(health_.options().jitter);
    if (jitter > 0.0f) seconds *= 1.0 + random_.uniform(-jitter, jitter);
    due_ += std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    std::this_thread::sleep_until(due_);
    // Work that really takes longer than it was told to is late, and so is all work after it.
    due_ = std::max(due_, Clock::now() - kLateness);
  }

  Health& health_;
  std::vector<Command> queue_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t pushed_ = 0;
  std::uint64_t done_ = 0;
  bool stopping_ = false;
  Random random_;          // draws the jitter
  Clock::time_point due_;  // when everything executed so far should have been done
  std::thread thread_;
};

class SimulatedDevice final : public Device {
 public:
  explicit SimulatedDevice(const SimulatedOptions& options) : health_(options) {}

  Kind kind() const override { return Kind::simulated; }
  bool is_broken() const override { return health_.is_broken(); }
  const std::string& name() const override { return name_; }
  bool reads_host_memory() const override { return false; }
  std::unique_ptr<Buffer> allocate(std::size_t bytes) override {
    return std::make_unique<SimulatedDeviceBuffer>(health_, bytes);
  }
  std::unique_ptr<Buffer> allocate_pinned(std::size_t bytes) override {
    health_.allocate_pinned(bytes);
    return std::make_unique<SimulatedBuffer>(bytes);
  }
  std::optional<DeviceMemory> memory() override { return health_.memory(); }
  std::unique_ptr<Stream> make_stream() override {
    health_.call();
    return std::make_unique<SimulatedStream>(health_, streams_++);
  }
  std::unique_ptr<Event> make_event() override {
    health_.call();
    return std::make_unique<SimulatedEvent>(health_);
  }
  std::unique_ptr<Event> make_timed_event() override { return make_event(); }

 private:
  std::string name_ = "simulated";
  std::atomic<std::uint32_t> streams_{0};
  Health health_;
};

}  // namespace

std::shared_ptr<Device> make_simulated_device(const SimulatedOptions& options) {
  return std::make_shared<SimulatedDevice>(options);
}

}  // namespace stoker::device
