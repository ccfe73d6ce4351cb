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
#include "feed/feed.h"

namespace stoker::feed {

// What a worker tells of what it put into a slot, for the consumer alone.
struct SlotNote {
  std::int64_t epoch = 0;  // of the training
  BatchContext context{};  // as a source with a DeviceFiller was given it
  std::int64_t rows = 0;   // or why there are none: kEnded, kFailed, kSkipped
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
  bool has_nan = false;
};
inline constexpr std::int64_t kEnded = 0;     // no batch: the source ended the epoch
inline constexpr std::int64_t kFailed = -1;   // no batch: see WorkerPool::failure()
inline constexpr std::int64_t kSkipped = -2;  // a batch that is not to be used

// Batch n (an end of an epoch counts as one) lives in slot n % size. A slot's turn counts its
// states up, so that order needs no queue:
//
//   2 n              free, for batch n: who fills it (filling) owns it
//   2 n + 1          full with batch n: who reads it (uploading, or the step itself) owns it
//   2 (n + size)     free again, for the batch that comes a round later
//
// Any worker publishes; one at a time waits for a free slot. Every wait is short spinning, then
// sleep: a worker that has filled the ring must leave its core to the step. Waking somebody costs
// the waker 5 to 20 microseconds, which a short step must not pay: a worker of short batches that
// is ahead wakes by a timer instead, about when half of the ring has become free, and is woken by
// the consumer only where that has no batch, or where the ring is too small to wait for. A worker
// of long ones is woken for each slot: half a ring of them at once kept a step on the same cores
// waiting so much that it took up to 1.15 times as long. Nothing here allocates after the
// constructor.
class Ring {
 public:
  // `slots` as wanted; fewer, down to two, where that much pinned memory is refused, and pageable
  // memory where no pinned memory is to be had. shortage() then says so. Throws DeviceError when
  // there is no memory at all.
  Ring(const SlotLayout& layout, int slots, device::Device& device);

  int size() const { return static_cast<int>(slots_.size()); }
  // The text is empty when all went as asked for.
  const std::string& shortage() const { return shortage_; }
  std::byte* block(std::uint64_t sequence) { return slot(sequence).memory->data(); }
  // The fields of a slot, for Source's Slot.
  std::byte* const* fields(std::uint64_t sequence) { return slot(sequence).fields.data(); }
  // Written before publish(), read before release().
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
  // The consumer itself has not released the slot that this batch, its next one, would lie in.
  bool is_held(std::uint64_t sequence) const { return turn(sequence) < 2 * sequence; }
  // Nobody fills this batch before the consumer has released an earlier one: the one whose slot it
  // takes, or, where fewer slots are used than there are, the one that many before it.
  bool waits_for_release(std::uint64_t sequence) const;
  // Returns false when it was not full by `deadline_ns` of the host's clock.
  bool wait_until_full(std::uint64_t sequence, std::int64_t deadline_ns);
  void release(std::uint64_t sequence);
  // Slots that are full, from the consumer's next one on.
  int filled(std::uint64_t sequence) const {
    return static_cast<int>(published_.load(std::memory_order_relaxed) - sequence);
  }

  // Wakes the worker for good. Any thread.
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
  bool naps() const { return depth() >= 4 && !fills_are_long_.load(std::memory_order_relaxed); }
  void wake_worker();
  void adapt_nap(std::uint64_t sequence);

  std::vector<Slot> slots_;
  std::string shortage_;
  std::atomic<int> depth_{0};
  std::atomic<bool> stopped_{false};
  std::atomic<std::uint64_t> published_{0};

  // Sleeping: a thread that goes to sleep says so first and then looks at the turn once more; one
  // that moves a turn then looks whether somebody sleeps: sequentially consistent, so that one of
  // them sees the other.
  std::mutex mutex_;
  std::condition_variable slot_freed_;
  std::condition_variable slot_filled_;
  enum class Worker : std::uint8_t { awake, napping, asleep };  // asleep: until it is woken
  std::atomic<Worker> worker_{Worker::awake};
  std::atomic<bool> consumer_asleep_{false};
  std::atomic<bool> fills_are_long_{false};
  std::chrono::nanoseconds nap_;  // the worker's
};

}  // namespace stoker::feed
