#include "feed/ring.h"

#include <algorithm>

#include "core/format.h"
#include "core/timeline.h"
#include "stoker/error.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace stoker::feed {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

// How long to look before going to sleep. The worker's spinning takes a core from the step; the
// consumer's from nobody, since the step is what it waits for, and it spares a fast worker the
// waking.
constexpr std::int64_t kWorkerSpinNs = 2'000;
constexpr std::int64_t kConsumerSpinNs = 30'000;

constexpr std::chrono::nanoseconds kShortestNap = 20us;
constexpr std::chrono::nanoseconds kLongestNap = 5ms;

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

template <class Condition>
bool spin_until(std::int64_t duration_ns, Condition condition) {
  constexpr int kLooksPerClock = 16;
  const std::int64_t end = now_ns() + duration_ns;
  do {
    for (int i = 0; i < kLooksPerClock; ++i) {
      if (condition()) return true;
      pause();
    }
  } while (now_ns() < end);
  return condition();
}

}  // namespace

Ring::Ring(const SlotLayout& layout, int slots, device::Device& device)
    : slots_(static_cast<std::size_t>(slots)), nap_(kShortestNap) {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    slot.turn.store(2 * i, std::memory_order_relaxed);
    try {
      slot.memory = device.allocate_pinned(layout.bytes);
    } catch (const device::OutOfMemory& error) {
      throw DeviceError(format("the generator's ring needs ", slots_.size(), " slots of ",
                               layout.bytes, " bytes of the host's memory (", error.what(),
                               "): a smaller max_queue_size or smaller batches need less"));
    }
    for (const std::size_t offset : layout.offsets) {
      slot.fields.push_back(slot.memory->data() + offset);
    }
  }
}

// Towards half of the ring being free when the worker wakes up for this batch.
void Ring::adapt_nap(std::uint64_t sequence) {
  std::size_t free = 0;
  while (free < slots_.size() && is_free(sequence + free)) ++free;
  if (free < slots_.size() / 4) nap_ = std::min(2 * nap_, kLongestNap);
  if (free > slots_.size() / 2) nap_ = std::max(nap_ / 2, kShortestNap);
}

bool Ring::wait_until_free(std::uint64_t sequence) {
  const auto done = [&] { return is_stopped() || is_free(sequence); };
  if (spin_until(kWorkerSpinNs, done)) return !is_stopped();
  std::unique_lock lock(mutex_);
  const std::atomic<std::uint64_t>& turn = slot(sequence).turn;
  for (;;) {
    worker_asleep_.store(true);  // anew each time: who wakes us clears it
    if (is_stopped() || turn.load() == 2 * sequence) break;
    if (naps()) {
      slot_freed_.wait_for(lock, nap_);
      adapt_nap(sequence);
    } else {
      slot_freed_.wait(lock);
    }
  }
  worker_asleep_.store(false);
  return !is_stopped();
}

void Ring::publish(std::uint64_t sequence) {
  slot(sequence).turn.store(2 * sequence + 1);
  if (!consumer_asleep_.load()) return;
  // The lock is for a consumer that has looked at the turn but does not sleep yet.
  const std::lock_guard lock(mutex_);
  slot_filled_.notify_one();
}

void Ring::wait_until_full(std::uint64_t sequence) {
  // A nap must not go on while there is nothing to compute on.
  if (worker_asleep_.load()) wake_worker();
  const auto done = [&] { return is_full(sequence); };
  if (spin_until(kConsumerSpinNs, done)) return;
  std::unique_lock lock(mutex_);
  consumer_asleep_.store(true);
  const std::atomic<std::uint64_t>& turn = slot(sequence).turn;
  while (turn.load() != 2 * sequence + 1) slot_filled_.wait(lock);
  consumer_asleep_.store(false);
}

void Ring::release(std::uint64_t sequence) {
  slot(sequence).turn.store(2 * (sequence + slots_.size()));
  if (!naps() && worker_asleep_.load()) wake_worker();
}

void Ring::wake_worker() {
  const std::lock_guard lock(mutex_);
  worker_asleep_.store(false);  // so that the next release does not wake it again
  slot_freed_.notify_one();
}

void Ring::stop() {
  const std::lock_guard lock(mutex_);
  stopped_.store(true);
  slot_freed_.notify_all();
}

}  // namespace stoker::feed
