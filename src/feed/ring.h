// The ring of pinned slots between a worker that fills and a consumer that reads, in order.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "device/device.h"
#include "feed/feed.h"

namespace stoker::feed {

// Batch n (an end of an epoch counts as one) lives in slot n % size. A slot's turn counts its
// states up, so that order needs no queue:
//
//   2 n              free, for batch n: who fills it (filling) owns it
//   2 n + 1          full with batch n: who reads it (uploading, or the step itself) owns it
//   2 (n + size)     free again, for the batch that comes a round later
//
// Every wait is short spinning, then sleep: a worker that has filled the ring must leave its core
// to the step. Waking somebody costs the waker 5 to 20 microseconds, which the step must not pay: a
// worker that is ahead wakes by a timer instead, about when half of the ring has become free, and
// is woken by the consumer only where that has no batch, or where the ring is too small to wait
// for. Nothing here allocates after the constructor.
class Ring {
 public:
  // Throws DeviceError when there is no memory.
  Ring(const SlotLayout& layout, int slots, device::Device& device);

  int size() const { return static_cast<int>(slots_.size()); }
  std::byte* block(std::uint64_t sequence) { return slot(sequence).memory->data(); }
  // By field, for Source's Slot.
  std::byte* const* fields(std::uint64_t sequence) { return slot(sequence).fields.data(); }

  // ---- The worker's side ----
  bool is_free(std::uint64_t sequence) const { return turn(sequence) == 2 * sequence; }
  // False when the ring was stopped.
  bool wait_until_free(std::uint64_t sequence);
  void publish(std::uint64_t sequence);
  bool is_stopped() const { return stopped_.load(std::memory_order_relaxed); }

  // ---- The consumer's side ----
  bool is_full(std::uint64_t sequence) const { return turn(sequence) == 2 * sequence + 1; }
  // The consumer itself has not released the slot that this batch, its next one, would lie in.
  bool is_held(std::uint64_t sequence) const { return turn(sequence) < 2 * sequence; }
  void wait_until_full(std::uint64_t sequence);
  void release(std::uint64_t sequence);

  // Wakes the worker for good. Any thread.
  void stop();

 private:
  struct alignas(64) Slot {
    std::atomic<std::uint64_t> turn{0};
    std::unique_ptr<device::Buffer> memory;
    std::vector<std::byte*> fields;
  };

  Slot& slot(std::uint64_t sequence) { return slots_[sequence % slots_.size()]; }
  std::uint64_t turn(std::uint64_t sequence) const {
    return slots_[sequence % slots_.size()].turn.load(std::memory_order_acquire);
  }
  bool naps() const { return slots_.size() >= 4; }
  void wake_worker();
  void adapt_nap(std::uint64_t sequence);

  std::vector<Slot> slots_;
  std::atomic<bool> stopped_{false};

  // Sleeping. Who goes to sleep says so first and then looks at the turn once more; who moves a
  // turn then looks whether somebody sleeps: sequentially consistent, so that one of them sees the
  // other.
  std::mutex mutex_;
  std::condition_variable slot_freed_;
  std::condition_variable slot_filled_;
  std::atomic<bool> worker_asleep_{false};
  std::atomic<bool> consumer_asleep_{false};
  std::chrono::nanoseconds nap_;  // the worker's
};

}  // namespace stoker::feed
