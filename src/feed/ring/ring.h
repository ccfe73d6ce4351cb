// The ring of pinned slots between the workers that fill and a consumer that reads, in order.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "device/device.h"
#include "feed/ring/slot_layout.h"

namespace stoker::feed {

// A worker's note on what it put into a slot, for the consumer alone.
struct SlotNote {
  std::int64_t epoch = 0;  // the epoch of the training
  BatchContext context{};  // the context that the source got, for its DeviceFiller
  std::int64_t rows = 0;   // the rows, or why there are none: kEnded, kFailed, kSkipped
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
  bool has_nan = false;
  // What the source passed over to make this batch (OnError::skip).
  stoker::detail::Failures failures{};
  // The source's state after this batch, for the sources that save one. The consumer swaps the
  // memory with its own, so that in the steady state nobody allocates.
  std::vector<std::byte> source_state{};
};
inline constexpr std::int64_t kEnded = 0;     // no batch: the source ended the epoch
inline constexpr std::int64_t kFailed = -1;   // no batch: see WorkerPool::failure()
inline constexpr std::int64_t kSkipped = -2;  // a batch that is not to be used

// Batch n (an end of an epoch counts as one) lies in slot n % size. A slot's turn counts its states
// up, so that the order needs no queue:
//
//   2 n              free, for batch n: who fills it (filling) owns it
//   2 n + 1          full with batch n: who reads it (uploading, or the step itself) owns it
//   2 (n + size)     free again, for the batch that comes a round later
//
// Any worker publishes; one at a time waits for a free slot. Every wait is short spinning, then
// sleep: a worker that has filled the ring must leave its core to the step. Waking a thread takes
// the thread that wakes it 5 to 20 microseconds, which is too much for a short step. A worker of
// short batches that is ahead therefore wakes by a timer, about when half of the ring has become
// free. The consumer wakes it only if it has no batch, or if the ring is too small for that. And a
// consumer that is ahead of workers of short batches is woken once for several of them, which it
// then takes in a row. A worker of long batches is woken for each slot, because filling half a ring
// at once kept a step on the same cores waiting so much that it took up to 1.15 times as long.
// Nothing here allocates after the constructor.
class Ring {
 public:
  // Makes a ring of `slots` slots. If that much pinned memory is refused, it makes fewer, down to
  // two, and if there is no pinned memory, it takes pageable memory. shortage() then says so.
  // Throws DeviceError if there is no memory at all.
  Ring(const SlotLayout& layout, int slots, device::Device& device);

  int size() const { return static_cast<int>(slots_.size()); }
  // Returns what the ring could not get; empty if it got everything.
  const std::string& shortage() const { return shortage_; }
  std::byte* block(std::uint64_t sequence) { return slot(sequence).memory->data(); }
  // Returns the fields of a slot, for Source's Slot.
  std::byte* const* fields(std::uint64_t sequence) { return slot(sequence).fields.data(); }
  // Returns the slot's note, which is written before publish() and read before release().
  SlotNote& note(std::uint64_t sequence) { return slot(sequence).note; }

  // Sets the number of slots that are used at a time, at most size(). Any thread may call it.
  void set_depth(int depth) { depth_.store(depth, std::memory_order_relaxed); }
  int depth() const { return depth_.load(std::memory_order_relaxed); }

  // ---- The workers' side ----
  bool is_free(std::uint64_t sequence) const;
  // Returns false when the ring was stopped. One thread calls it at a time.
  bool wait_until_free(std::uint64_t sequence);
  void publish(std::uint64_t sequence);
  bool is_stopped() const { return stopped_.load(std::memory_order_relaxed); }

  // ---- The consumer's side ----
  bool is_full(std::uint64_t sequence) const { return turn(sequence) == 2 * sequence + 1; }
  // Returns whether the consumer itself still holds the slot that this batch, its next one, would
  // lie in.
  bool is_held(std::uint64_t sequence) const { return turn(sequence) < 2 * sequence; }
  // Returns whether nobody can fill this batch before the consumer has released an earlier one: the
  // one in the same slot, or, if fewer slots are used than there are, the one that many batches
  // before it.
  bool waits_for_release(std::uint64_t sequence) const;
  // Returns false if the slot was not full by `deadline_ns` of the host's clock.
  bool wait_until_full(std::uint64_t sequence, std::int64_t deadline_ns);
  void release(std::uint64_t sequence);
  // Returns the number of slots that are full, from the consumer's next one on.
  int filled(std::uint64_t sequence) const {
    return static_cast<int>(published_.load(std::memory_order_relaxed) - sequence);
  }

  // Returns the number of slots that are full, those that the consumer still reads among them. Any
  // thread may call it.
  int full() const {
    const std::uint64_t released = released_.load(std::memory_order_relaxed);
    const std::uint64_t published = published_.load(std::memory_order_relaxed);
    return published > released ? static_cast<int>(published - released) : 0;
  }

  // Wakes the worker for good. Any thread may call it.
  void stop();

 private:
  struct alignas(64) Slot {
    std::atomic<std::uint64_t> turn{0};
    std::unique_ptr<device::Buffer> memory;
    std::vector<std::byte*> fields;
    SlotNote note;
  };

  void allocate(const SlotLayout& layout, int slots, device::Device& device);
  Slot& slot(std::uint64_t sequence) { return slots_[sequence % slots_.size()]; }
  std::uint64_t turn(std::uint64_t sequence) const {
    return slots_[sequence % slots_.size()].turn.load();
  }
  bool sleeps_by_timer() const {
    return depth() >= 4 && !fills_are_long_.load(std::memory_order_relaxed);
  }
  void wake_worker();
  void adapt_timed_sleep(std::uint64_t sequence);
  std::uint64_t batches_at_once() const;

  std::vector<Slot> slots_;
  std::string shortage_;
  std::atomic<int> depth_{0};
  std::atomic<bool> stopped_{false};
  std::atomic<std::uint64_t> published_{0};

  // A thread that goes to sleep first says so and then looks at the turn once more. A thread that
  // moves a turn then looks whether the other one sleeps. Both are sequentially consistent, so that
  // at least one of them sees the other.
  std::mutex mutex_;
  std::condition_variable slot_freed_;
  std::condition_variable slot_filled_;
  enum class Worker : std::uint8_t { awake, asleep_by_timer, asleep };
  std::atomic<Worker> worker_{Worker::awake};
  std::atomic<bool> consumer_asleep_{false};
  std::atomic<std::uint64_t> wake_at_{0};  // the consumer sleeps until so many were published
  // When the last batch was filled, and how long after the one before, for the consumer's waiting.
  std::atomic<std::int64_t> filled_ns_{0};
  std::atomic<std::int64_t> interval_ns_{1'000'000'000};
  std::atomic<bool> fills_are_long_{false};
  std::chrono::nanoseconds timed_sleep_;  // how long the worker sleeps by its timer
  // The consumer's, in a cache line of its own, for displays.
  alignas(64) std::atomic<std::uint64_t> released_{0};
};

}  // namespace stoker::feed
