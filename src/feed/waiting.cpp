// Waiting for a batch: how it is done, who looks in meanwhile, and when the feed gives up.
#include <algorithm>
#include <limits>
#include <utility>

#include "core/format.h"
#include "feed/feed_impl.h"
#include "stoker/error.h"

namespace stoker::feed {
namespace {

// A waiting thread checks after this time whether it should go on waiting.
constexpr std::int64_t kSliceNs = 50'000'000;
// After one thread has timed out, the others are waited for this long.
constexpr std::int64_t kGracePeriodNs = 500'000'000;
constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();

// A run of steps is waited for once in so many batches, if the step waits for more than this share
// of its time, and for no longer than this.
constexpr std::uint64_t kBatchesPerRun = 16;
constexpr double kWaitsMuch = 0.2;
constexpr std::int64_t kLongestRunNs = 1'000'000'000;
constexpr std::uint64_t kRun = 3;

// Describes for messages which worker is at the batch at hand.
std::string describe(const WorkerPool& pool, std::uint64_t position, std::int64_t now) {
  const std::optional<WorkerPool::Busy> busy = pool.who_fills(position);
  if (!busy) return "no worker has begun it";
  return format("worker ", busy->worker, " has been at it for ", seconds(now - busy->since_ns),
                " s");
}

// Returns the time at which something that begins at begin_ns has lasted for so long. A time that
// no clock reaches stands for never.
std::int64_t later(std::int64_t begin_ns, double duration) {
  const double end = static_cast<double>(begin_ns) + 1e9 * duration;
  return duration > 0.0 && end < 9e18 ? static_cast<std::int64_t>(end) : kForever;
}

}  // namespace

std::string Feed::Impl::describe_next() const {
  std::string text = format("batch ", sequence + 1, " of this fit");
  if (waits) text += ": " + describe(pool, position, now_ns());
  return text;
}

Feed::Impl::Waited Feed::Impl::wait(std::int64_t begin_ns) {
  const std::int64_t timeout =
      options.timeout_seconds > 0.0 ? later(begin_ns, options.timeout_seconds) : kForever;
  for (std::int64_t now = begin_ns;;) {
    if (ring.wait_until_full(position, std::min(timeout, now + kSliceNs))) return Waited::filled;
    now = now_ns();
    if (now >= timeout) return Waited::timed_out;
    if (options.should_stop && options.should_stop()) return Waited::given_up;
    if (pool.has_ended() && !ring.is_full(position)) return Waited::workers_ended;
    if (on_wait) on_wait({.begin_ns = begin_ns, .now_ns = now});
  }
}

// A step that follows a wait finds its caches cold and its threads asleep, and takes longer than
// one that follows another step. To say what more batches would bring, the verdict must know the
// time of the latter. Now and then, therefore, this waits until a few batches are ready, which are
// then taken in a row. The generator is not affected, since it goes on filling.
void Feed::Impl::wait_for_a_run_of_steps() {
  if (!shares_cores || taken < next_run || ring.depth() <= static_cast<int>(kRun)) return;
  const std::int64_t now = now_ns();
  const std::optional<std::int64_t> left = schedule.steps(epoch);
  if (left && *left < step + static_cast<std::int64_t>(kRun)) return;
  if (seconds(epoch_waited_ns) < kWaitsMuch * seconds(now - epoch_begin_ns)) return;
  next_run = taken + kBatchesPerRun;
  const SlotNote& note = ring.note(position);
  const std::int64_t longest = static_cast<std::int64_t>(kRun + 1) * (note.end_ns - note.begin_ns);
  const std::int64_t end = now + std::min(longest, kLongestRunNs);
  // The batches are waited for in turn, so that nobody waits beyond one that ends the epoch, or a
  // failure.
  for (std::uint64_t next = position + 1; next < position + kRun; ++next) {
    if (!ring.wait_until_full(next, end) || ring.note(next).rows <= 0) return;
  }
}

void Feed::Impl::give_up() {
  stopped = true;
  pool.stop();
  pool.join_or_abandon(now_ns() + kGracePeriodNs);
}

// Waits for the slot of the next batch. Returns null if waiting has become pointless.
SlotNote* Feed::Impl::take() {
  if (ring.is_full(position)) return &ring.note(position);
  if (ring.is_held(position)) {
    throw ValueError(format("Feed::next: expected a batch to be released first, since the ring of ",
                            ring.size(), " slots has none left"));
  }
  waits = true;
  const std::int64_t begin = now_ns();
  waiting_since_ns.store(begin, std::memory_order_relaxed);
  const Waited waited = wait(begin);
  if (waited == Waited::filled) wait_for_a_run_of_steps();
  const std::int64_t end = now_ns();
  waits = false;
  waiting_since_ns.store(0, std::memory_order_relaxed);
  shared->timeline.track(static_cast<std::size_t>(sizes.workers))
      .stamp(Stage::wait_for_generator, sequence, begin, end);
  const std::int64_t awaited_ns = end - begin;
  epoch_waited_ns += awaited_ns;
  if (waited == Waited::timed_out) time_out(awaited_ns);
  if (waited == Waited::workers_ended) fail_for_missing_batch();
  if (waited == Waited::given_up) {
    give_up();
    return nullptr;
  }
  if (on_wait) on_wait({.begin_ns = begin, .now_ns = end, .is_over = true});
  return &ring.note(position);
}

void Feed::Impl::time_out(std::int64_t waited_ns) {
  const std::int64_t now = now_ns();
  failed = std::make_exception_ptr(DataError(
      format(place(), ": the generator timed out: waited ", seconds(waited_ns), " s, ",
             describe(pool, position, now), ". Raise generator_timeout if it needs that long")));
  pool.stop();
  pool.join_or_abandon(now + kGracePeriodNs);
  std::rethrow_exception(failed);
}

// Reports a fault of the feed's own, which would otherwise mean waiting without an end.
void Feed::Impl::fail_for_missing_batch() {
  failed = std::make_exception_ptr(
      DataError(format(place(),
                       ": the workers have ended without it, so one was left out. This is "
                       "a fault of Stoker's; please report it")));
  std::rethrow_exception(failed);
}

void Feed::Impl::rethrow() {
  pool.stop();
  pool.join();
  failed = pool.failure();
  std::rethrow_exception(failed);
}

// The caller is handling the original exception, which thereby becomes the nested one.
void Feed::Impl::fail(const std::string& where, const std::string& what) {
  try {
    std::throw_with_nested(DataError(format(where, ": ", what)));
  } catch (...) {
    failed = std::current_exception();
  }
  pool.stop();
  pool.join();
  std::rethrow_exception(failed);
}

}  // namespace stoker::feed
