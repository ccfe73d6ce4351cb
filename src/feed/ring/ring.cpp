#include "feed/ring/ring.h"

#include <algorithm>
#include <new>

#include "core/format.h"
#include "core/timeline.h"
#include "stoker/error.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace stoker::feed {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

// The time for which a thread spins before it sleeps. A spinning worker takes a core from the step.
// A spinning consumer takes it from nobody, since no step runs while it waits, and a fast worker
// then need not wake it.
constexpr std::int64_t kWorkerSpinNs = 2'000;
constexpr std::int64_t kConsumerSpinNs = 30'000;

// A consumer that sleeps is woken when so many batches are ready as come in this time, but at least
// one. It then takes them in a row, and loses nothing: the workers go on meanwhile.
constexpr std::int64_t kRunNs = 400'000;

// For a batch that takes longer than this to fill, waking the worker is a small loss.
constexpr std::int64_t kLongFillNs = 500'000;

constexpr std::chrono::nanoseconds kShortestSleep = 20us;
constexpr std::chrono::nanoseconds kLongestSleep = 5ms;

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
    : timed_sleep_(kShortestSleep) {
  allocate(layout, slots, device);
  set_depth(size());
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    slot.turn.store(2 * i, std::memory_order_relaxed);
    for (const std::size_t offset : layout.offsets) {
      slot.fields.push_back(slot.memory->data() + offset);
    }
  }
}

void Ring::allocate(const SlotLayout& layout, int slots, device::Device& device) {
  std::vector<std::unique_ptr<device::Buffer>> blocks;
  std::string refusal;
  while (static_cast<int>(blocks.size()) < slots && refusal.empty()) {
    try {
      blocks.push_back(device.allocate_pinned(layout.bytes));
    } catch (const device::OutOfMemory& error) {
      refusal = error.what();
    } catch (const std::bad_alloc&) {
      refusal = "the host has no memory left";
    }
  }
  if (!refusal.empty() && (blocks.size() >= 2 || device.reads_host_memory())) {
    // The ring does not take all of the pinned memory, since the rest of the program needs some
    // too.
    const auto fewer = static_cast<int>((blocks.size() + 1) / 2);
    if (fewer < std::min(slots, 2)) {
      throw DeviceError(format("the generator's ring needs ", slots, " slots of ", layout.bytes,
                               " bytes of the host's memory (", refusal,
                               "): a smaller max_queue_size or smaller batches need less"));
    }
    blocks.resize(static_cast<std::size_t>(fewer));
    shortage_ = format("the generator's ring has ", fewer, " slots instead of ", slots, " (",
                       refusal, "): a smaller max_queue_size or smaller batches need less");
  } else if (!refusal.empty()) {
    blocks.clear();
    while (static_cast<int>(blocks.size()) < slots) {
      blocks.push_back(device::allocate_pageable(layout.bytes));
    }
    shortage_ = format(
        "batches are staged in pageable memory, from which copies to the device are "
        "slower and wait for each other (",
        refusal, ")");
  }
  slots_ = std::vector<Slot>(blocks.size());
  for (std::size_t i = 0; i < blocks.size(); ++i) slots_[i].memory = std::move(blocks[i]);
}

bool Ring::waits_for_release(std::uint64_t sequence) const {
  if (is_full(sequence)) return false;
  const auto ahead = static_cast<std::uint64_t>(depth());
  if (is_held(sequence)) return true;
  return ahead < slots_.size() && sequence >= ahead &&
         turn(sequence - ahead) <= 2 * (sequence - ahead) + 1;
}

bool Ring::is_free(std::uint64_t sequence) const {
  if (turn(sequence) != 2 * sequence) return false;
  const auto ahead = static_cast<std::uint64_t>(depth());
  if (ahead >= slots_.size() || sequence < ahead) return true;
  return turn(sequence - ahead) > 2 * (sequence - ahead) + 1;
}

// Adapts the worker's timed sleep so that about half of the ring is free when it wakes up.
void Ring::adapt_timed_sleep(std::uint64_t sequence) {
  const auto used = static_cast<std::size_t>(depth());
  std::size_t free = 0;
  while (free < used && is_free(sequence + free)) ++free;
  if (free < used / 4) timed_sleep_ = std::min(2 * timed_sleep_, kLongestSleep);
  if (free > used / 2) timed_sleep_ = std::max(timed_sleep_ / 2, kShortestSleep);
}

bool Ring::wait_until_free(std::uint64_t sequence) {
  const auto done = [&] { return is_stopped() || is_free(sequence); };
  if (spin_until(kWorkerSpinNs, done)) return !is_stopped();
  std::unique_lock lock(mutex_);
  for (;;) {
    const bool timed = sleeps_by_timer();
    // The state is set each time, since the thread that wakes this one clears it.
    worker_.store(timed ? Worker::asleep_by_timer : Worker::asleep);
    if (done()) break;
    if (timed) {
      slot_freed_.wait_for(lock, timed_sleep_);
      adapt_timed_sleep(sequence);
    } else {
      slot_freed_.wait(lock);
    }
  }
  worker_.store(Worker::awake);
  return !is_stopped();
}

void Ring::publish(std::uint64_t sequence) {
  const std::uint64_t published = published_.fetch_add(1, std::memory_order_relaxed) + 1;
  const SlotNote& filled = note(sequence);
  fills_are_long_.store(filled.end_ns - filled.begin_ns > kLongFillNs, std::memory_order_relaxed);
  const std::int64_t before = filled_ns_.exchange(filled.end_ns, std::memory_order_relaxed);
  interval_ns_.store(filled.end_ns - before, std::memory_order_relaxed);
  const bool is_batch = filled.rows > 0;
  slot(sequence).turn.store(2 * sequence + 1);
  if (!consumer_asleep_.load() || (is_batch && published < wake_at_.load())) return;
  // The lock is needed for a consumer that has looked at the turn but does not sleep yet.
  const std::lock_guard lock(mutex_);
  slot_filled_.notify_one();
}

// Returns for how many batches together it is worth to wake the consumer.
std::uint64_t Ring::batches_at_once() const {
  const std::int64_t interval =
      std::max<std::int64_t>(1, interval_ns_.load(std::memory_order_relaxed));
  return static_cast<std::uint64_t>(
      std::clamp<std::int64_t>(kRunNs / interval, 1, std::max(1, depth() / 2)));
}

bool Ring::wait_until_full(std::uint64_t sequence, std::int64_t deadline_ns) {
  // A worker that sleeps by its timer must not go on doing so while there is no batch to compute
  // on.
  if (worker_.load() != Worker::awake) wake_worker();
  const auto done = [&] { return is_full(sequence); };
  // Where batches come further apart than it would spin, it would do so in vain, and might keep a
  // worker from its core.
  const bool spins = interval_ns_.load(std::memory_order_relaxed) < kConsumerSpinNs;
  if (spins ? spin_until(kConsumerSpinNs, done) : done()) return true;
  const std::uint64_t at_once = batches_at_once();
  const std::chrono::steady_clock::time_point deadline{std::chrono::nanoseconds(deadline_ns)};
  std::unique_lock lock(mutex_);
  wake_at_.store(sequence + at_once);
  consumer_asleep_.store(true);
  const std::atomic<std::uint64_t>& turn = slot(sequence).turn;
  const auto filled = [&] { return turn.load() == 2 * sequence + 1; };
  bool full = filled();
  if (!full && at_once > 1) {
    // The workers may be held up before they have made so many.
    slot_filled_.wait_for(lock, std::chrono::nanoseconds(2 * kRunNs));
    full = filled();
    wake_at_.store(sequence);
  }
  if (!full) full = slot_filled_.wait_until(lock, deadline, filled);
  consumer_asleep_.store(false);
  return full;
}

void Ring::release(std::uint64_t sequence) {
  released_.store(sequence + 1, std::memory_order_relaxed);
  slot(sequence).turn.store(2 * (sequence + slots_.size()));
  if (worker_.load() == Worker::asleep) wake_worker();
}

void Ring::wake_worker() {
  const std::lock_guard lock(mutex_);
  worker_.store(Worker::awake);  // so that the next release does not wake the worker again
  slot_freed_.notify_one();
}

void Ring::stop() {
  const std::lock_guard lock(mutex_);
  stopped_.store(true);
  slot_freed_.notify_all();
}

}  // namespace stoker::feed
