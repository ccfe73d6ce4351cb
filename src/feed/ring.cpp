#include "feed/ring.h"

#include "core/timeline.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace stoker::feed {
namespace {

// How long to look before going to sleep. Sleeping and waking costs 5 to 10 microseconds, mostly of
// whoever wakes the other. The worker's spinning takes a core from the step, the consumer's from
// nobody, since the step is what it waits for.
constexpr std::int64_t kWorkerSpinNs = 2'000;
constexpr std::int64_t kConsumerSpinNs = 10'000;

// A worker that is ahead is woken for several slots at a time when steps are very short, but not
// later than the release after this time.
constexpr std::int64_t kLongSleepNs = 100'000;

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
    : slots_(static_cast<std::size_t>(slots)) {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    slot.turn.store(2 * i, std::memory_order_relaxed);
    slot.memory = device.allocate_pinned(layout.bytes);
    for (const std::size_t offset : layout.offsets) {
      slot.fields.push_back(slot.memory->data() + offset);
    }
  }
}

bool Ring::wait_until_free(std::uint64_t sequence) {
  const auto done = [&] { return is_stopped() || is_free(sequence); };
  if (!spin_until(kWorkerSpinNs, done)) {
    std::unique_lock lock(mutex_);
    worker_wants_.store(sequence, std::memory_order_relaxed);
    const std::atomic<std::uint64_t>& turn = slot(sequence).turn;
    for (;;) {
      worker_asleep_since_.store(now_ns());  // anew each time: who wakes us has cleared it
      if (is_stopped() || turn.load() == 2 * sequence) break;
      slot_freed_.wait(lock);
    }
    worker_asleep_since_.store(0);
  }
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
  // A worker that waits for several free slots must not wait for a consumer that has no batch.
  if (worker_asleep_since_.load() != 0) wake_worker();
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
  const std::int64_t since = worker_asleep_since_.load();
  if (since == 0) return;
  const std::uint64_t wanted = worker_wants_.load(std::memory_order_relaxed);
  const std::uint64_t free = sequence + 1 + slots_.size() - wanted;
  if (free >= slots_.size() / 2 || now_ns() - since >= kLongSleepNs) wake_worker();
}

void Ring::wake_worker() {
  const std::lock_guard lock(mutex_);
  worker_asleep_since_.store(0);  // so that the next release does not wake it again
  slot_freed_.notify_one();
}

void Ring::stop() {
  const std::lock_guard lock(mutex_);
  stopped_.store(true);
  slot_freed_.notify_all();
}

}  // namespace stoker::feed
