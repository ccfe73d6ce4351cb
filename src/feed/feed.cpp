// The consumer's side: batches in order, epochs, errors, and what the waiting took.
#include "feed/feed.h"

#include <time.h>

#include <algorithm>
#include <iostream>
#include <limits>
#include <thread>
#include <utility>

#include "core/format.h"
#include "feed/autotune.h"
#include "feed/ring.h"
#include "feed/schedule.h"
#include "feed/worker_pool.h"
#include "stoker/error.h"

namespace stoker::feed {
namespace {

constexpr int kMostSlots = 33;  // that AUTOTUNE takes
constexpr int kFewestSlots = 3;
// From when on the user is told that nothing comes.
constexpr std::int64_t kStarvedNs = 1'000'000'000;
constexpr double kStarvedShare = 0.2;
// How often one that waits looks around.
constexpr std::int64_t kSliceNs = 50'000'000;
// How long threads that may still be at work are waited for after one has timed out.
constexpr std::int64_t kPatienceNs = 500'000'000;
constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();

double seconds(std::int64_t ns) { return 1e-9 * static_cast<double>(ns); }

int cores() { return static_cast<int>(std::max(1U, std::thread::hardware_concurrency())); }

std::int64_t process_cpu_ns() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return std::int64_t{1'000'000'000} * time.tv_sec + time.tv_nsec;
}

// As many as may wait for the step, and the one that it reads; no more than there are batches.
int slots_for(const FeedOptions& options, Source& source) {
  const Schedule schedule(options, source);  // checks the options too
  std::int64_t slots = std::int64_t{options.max_queue_size} + 1;
  if (options.max_queue_size == AUTOTUNE) {
    const SlotLayout layout = SlotLayout::of_host(source);
    slots = std::clamp<std::int64_t>(static_cast<std::int64_t>(options.queue_bytes / layout.bytes),
                                     kFewestSlots, kMostSlots);
  }
  return static_cast<int>(std::max<std::int64_t>(1, schedule.total_up_to(slots)));
}

// Threads; AUTOTUNE may not use all of them. More than there are cores, for sources that wait for
// a disk.
int threads_for(const FeedOptions& options, const Source& source, int slots) {
  if (!source.pure()) return 1;
  const int wanted = options.workers == AUTOTUNE ? std::clamp(2 * cores(), 8, 32) : options.workers;
  return std::clamp(wanted, 1, slots);
}

}  // namespace

struct Feed::Impl {
  Impl(std::shared_ptr<Source> from, const FeedOptions& feed_options, device::Device& device)
      : options(feed_options),
        slots(slots_for(options, *from)),
        threads(threads_for(options, *from, slots)),
        shared(
            std::make_shared<WorkerPool::Shared>(std::move(from), options, slots, device, threads)),
        source(*shared->source),
        schedule(shared->schedule),
        ring(shared->ring),
        epoch(schedule.first_epoch()),
        pool(shared, {.workers = threads,
                      .seed = options.seed,
                      .shuffle = options.shuffle,
                      .nan_policy = options.nan_policy,
                      .shares_cores = device.reads_host_memory()}) {
    if (!ring.shortage().empty()) warn(ring.shortage());
    start_tuning(device);
  }

  std::optional<Batch> next();
  const SlotNote* take();
  enum class Waited : std::uint8_t { filled, timed_out, given_up, nobody_left };
  Waited wait(std::int64_t begin_ns);
  void give_up();
  void end_epoch();
  void end_source();
  void warn(const std::string& what) const;
  void warn_of_starvation(const char* who, double waited, double of, const std::string& why);
  void warn_of_nan(const SlotNote& note);
  [[noreturn]] void time_out(std::int64_t waited_ns);
  [[noreturn]] void miss();
  [[noreturn]] void rethrow();

  void start_tuning(device::Device& device);
  void tune();

  const FeedOptions options;
  const int slots;
  const int threads;
  const std::shared_ptr<WorkerPool::Shared> shared;
  Source& source;
  const Schedule& schedule;
  Ring& ring;

  TimelineTotals reported;  // what earlier reports have told
  FeedReport counts;        // of batches since the last report
  DurationHistogram steps;  // of the consumer
  DurationHistogram uploads;

  // The consumer's own place: the batch that next() returns.
  std::uint64_t position = 0;  // in the ring, which carries the ends of epochs too
  std::uint64_t sequence = 0;  // batches before it
  std::int64_t epoch;
  std::int64_t step = 0;
  bool ran_out = false;
  bool stopped = false;
  std::exception_ptr failed;

  // Warnings come once.
  bool warned_of_starvation = false;
  bool warned_of_nan = false;
  std::int64_t epoch_begin_ns = 0;
  std::int64_t epoch_waited_ns = 0;

  std::optional<Autotune> autotune;
  std::int64_t training_ns = 0;  // of epochs that are over
  std::uint64_t taken = 0;

  WorkerPool pool;  // last: it uses the others, and stops before they go
};

void Feed::Impl::warn(const std::string& what) const {
  if (options.warn) {
    options.warn(what);
  } else {
    std::cerr << "Warning: " << what << '\n';
  }
}

// ---- Waiting ----

// For the batch at hand: who is at it, for messages.
std::string describe(const WorkerPool& pool, std::uint64_t position, std::int64_t now) {
  const std::optional<WorkerPool::Busy> busy = pool.who_fills(position);
  if (!busy) return "no worker has begun it";
  return format("worker ", busy->worker, " has been at it for ", seconds(now - busy->since_ns),
                " s");
}

// From when on it is starving.
bool starves(double waited, double of) {
  return waited >= seconds(kStarvedNs) && waited > kStarvedShare * of;
}

void Feed::Impl::warn_of_starvation(const char* who, double waited, double of,
                                    const std::string& why) {
  warned_of_starvation = true;
  warn(format(who, " has waited ", waited, " s of the last ", of, " s for ", why));
}

// Tells the user when the step starves.
Feed::Impl::Waited Feed::Impl::wait(std::int64_t begin_ns) {
  const std::int64_t timeout =
      options.timeout_seconds > 0.0
          ? begin_ns + static_cast<std::int64_t>(1e9 * options.timeout_seconds)
          : kForever;
  for (std::int64_t now = begin_ns;;) {
    if (ring.wait_until_full(position, std::min(timeout, now + kSliceNs))) return Waited::filled;
    now = now_ns();
    if (now >= timeout) return Waited::timed_out;
    if (options.should_stop && options.should_stop()) return Waited::given_up;
    if (pool.has_ended() && !ring.is_full(position)) return Waited::nobody_left;
    const double waited = seconds(epoch_waited_ns + now - begin_ns);
    const double of = seconds(now - epoch_begin_ns);
    if (!warned_of_starvation && starves(waited, of)) {
      warn_of_starvation("the step", waited, of,
                         format("the generator (batch ", sequence + 1,
                                " of this fit: ", describe(pool, position, now), ")"));
    }
  }
}

void Feed::Impl::give_up() {
  stopped = true;
  pool.stop();
  pool.join_or_abandon(now_ns() + kPatienceNs);
}

// Waits for the slot of the next batch; null when there is no point any more.
const SlotNote* Feed::Impl::take() {
  if (!ring.is_full(position)) {
    if (ring.is_held(position)) {
      throw ValueError(
          format("Feed::next: expected a batch to be released first, since the ring of ",
                 ring.size(), " slots has none left"));
    }
    const std::int64_t begin = now_ns();
    const Waited waited = wait(begin);
    const std::int64_t end = now_ns();
    shared->timeline.track(static_cast<std::size_t>(threads))
        .stamp(Stage::wait_for_generator, sequence, begin, end);
    const std::int64_t awaited_ns = end - begin;
    epoch_waited_ns += awaited_ns;
    if (waited == Waited::timed_out) time_out(awaited_ns);
    if (waited == Waited::nobody_left) miss();
    if (waited == Waited::given_up) {
      give_up();
      return nullptr;
    }
  }
  return &ring.note(position);
}

void Feed::Impl::time_out(std::int64_t waited_ns) {
  const std::int64_t now = now_ns();
  failed = std::make_exception_ptr(DataError(
      format("batch ", sequence + 1, " (epoch ", epoch + 1, ", batch ", step + 1,
             " of it): the generator timed out: waited ", seconds(waited_ns), " s, ",
             describe(pool, position, now), ". Raise generator_timeout if it needs that long")));
  pool.stop();
  pool.join_or_abandon(now + kPatienceNs);
  std::rethrow_exception(failed);
}

// A fault of the feed's own, which would otherwise be waited for without an end.
void Feed::Impl::miss() {
  failed = std::make_exception_ptr(
      DataError(format("batch ", sequence + 1, " (epoch ", epoch + 1, ", batch ", step + 1,
                       " of it): the workers have ended without it, so one was left out. This is a "
                       "fault of Stoker's; please report it")));
  std::rethrow_exception(failed);
}

void Feed::Impl::rethrow() {
  pool.stop();
  pool.join();
  failed = pool.failure();
  std::rethrow_exception(failed);
}

// ---- Batches ----

void Feed::Impl::end_epoch() {
  if (epoch_begin_ns > 0) training_ns += now_ns() - epoch_begin_ns;
  epoch_begin_ns = 0;
  epoch_waited_ns = 0;
  ++epoch;
  step = 0;
  // The workers end an epoch of the source when they begin the next; the last one is left to us.
  if ((epoch == schedule.end_epoch() || ran_out) && sequence > 0) {
    pool.stop();  // some may be about to ask for batches beyond the end
    pool.join();
    end_source();
  }
}

void Feed::Impl::end_source() {
  try {
    source.end_epoch(schedule.source_epoch(epoch - 1));
  } catch (const std::exception& error) {
    try {
      std::throw_with_nested(
          DataError(format("the end of epoch ", epoch, ", after its last batch: ", error.what())));
    } catch (...) {
      failed = std::current_exception();
      throw;
    }
  }
}

void Feed::Impl::warn_of_nan(const SlotNote& note) {
  if (warned_of_nan) return;
  warned_of_nan = true;
  warn(format("batch ", sequence + 1, " (epoch ", epoch + 1, ", batch ", step + 1,
              " of it) holds a NaN",
              note.rows == kSkipped ? "; it is skipped, and so are others that do (nan_policy)"
                                    : "; it is trained on all the same (nan_policy)"));
}

std::optional<Batch> Feed::Impl::next() {
  if (failed) std::rethrow_exception(failed);
  for (;;) {
    if (ran_out || stopped || epoch == schedule.end_epoch()) return std::nullopt;
    if (epoch_begin_ns == 0) epoch_begin_ns = now_ns();
    const std::optional<std::int64_t> steps = schedule.steps(epoch);
    if (step == steps) {
      end_epoch();
      return std::nullopt;
    }
    const SlotNote* const found = take();
    if (found == nullptr) return std::nullopt;
    const SlotNote& note = *found;
    if (note.epoch < epoch) {  // beyond the end of an epoch that is over
      ring.release(position++);
      continue;
    }
    if (note.rows == kFailed) rethrow();
    if (note.rows == kEnded) {
      ran_out = steps.has_value() || step == 0;
      ring.release(position++);
      end_epoch();
      return std::nullopt;
    }
    if (note.has_nan) {
      warn_of_nan(note);
      ++counts.nan_batches;
    }
    if (note.rows == kSkipped) {
      ring.release(position++);
      ++step;
      ++sequence;
      continue;
    }
    counts.ring_filled += static_cast<double>(ring.filled(position));
    ++step;
    ++taken;
    ++counts.batches;
    counts.samples += note.rows;
    counts.bytes += static_cast<std::uint64_t>(note.rows) * shared->layout.row_bytes;
    if (autotune) tune();
    const std::uint64_t here = position++;
    return Batch{.block = ring.block(here),
                 .context = &ring.note(here).context,
                 .rows = note.rows,
                 .sequence = static_cast<std::int64_t>(sequence++),
                 .position = here,
                 .filled_ns = note.end_ns};
  }
}

// ---- Tuning ----

void Feed::Impl::start_tuning(device::Device& device) {
  const bool tune_workers = options.workers == AUTOTUNE && threads > 1;
  const bool tune_slots = options.max_queue_size == AUTOTUNE;
  if (!tune_workers && !tune_slots) return;
  // From above, so that the beginning is not slow; but on the step's own cores from below, since
  // more than it needs cost it dearly there.
  const bool shares_cores = device.reads_host_memory();
  const Autotune::Choice start{.workers = tune_workers && shares_cores ? 1 : threads,
                               .slots = slots};
  autotune.emplace(TuneLimits{.max_workers = threads,
                              .max_slots = slots,
                              .tune_workers = tune_workers,
                              .tune_slots = tune_slots,
                              .device_slots = device.reads_host_memory() ? 0 : kDeviceSlots,
                              .cores = static_cast<double>(cores())},
                   start, Autotune::Measured{.cpu_ns = process_cpu_ns()});
  pool.set_active(start.workers);
}

void Feed::Impl::tune() {
  const std::int64_t trained = training_ns + now_ns() - epoch_begin_ns;
  if (!autotune->is_due(taken, trained)) return;
  const TimelineTotals totals = shared->timeline.snapshot();
  const std::optional<Autotune::Choice> choice = autotune->decide(
      {.batches = taken,
       .training_ns = trained,
       .cpu_ns = process_cpu_ns(),
       .waited_ns =
           static_cast<std::int64_t>(1e9 * totals[Stage::wait_for_generator].durations.total()),
       .durations = {
           .generate = totals[Stage::generate].durations, .upload = uploads, .step = steps}});
  if (!choice) return;
  pool.set_active(choice->workers);
  ring.set_depth(choice->slots);
}

// ---- Feed ----

Feed::Feed(std::shared_ptr<Source> source, FeedOptions options, device::Device& device)
    : impl_(std::make_unique<Impl>(std::move(source), options, device)) {}

Feed::~Feed() {
  // Who wants to stop does not wait for a generator that hangs.
  if (impl_->options.should_stop && impl_->options.should_stop()) impl_->give_up();
}

std::optional<Batch> Feed::next() { return impl_->next(); }

bool Feed::holds_next_slot() const { return impl_->ring.waits_for_release(impl_->position); }

void Feed::release(const Batch& batch) { impl_->ring.release(batch.position); }

bool Feed::ran_out() const { return impl_->ran_out; }

void Feed::stop() {
  impl_->stopped = true;
  impl_->pool.stop();
}

void Feed::note_step(std::int64_t ns) { impl_->steps.add(ns); }
void Feed::note_upload(std::int64_t ns) { impl_->uploads.add(ns); }

void Feed::note_starving(const char* stage, double waited, double of) {
  if (impl_->warned_of_starvation || !starves(waited, of)) return;
  impl_->warn_of_starvation("the device", waited, of, stage);
}

const SlotLayout& Feed::layout() const { return impl_->shared->layout; }
int Feed::ring_size() const { return impl_->ring.size(); }
int Feed::workers() const { return impl_->pool.active(); }
int Feed::queue_size() const { return impl_->ring.depth() - 1; }
void Feed::set_queue_size(int batches) {
  impl_->ring.set_depth(std::clamp(batches + 1, 1, impl_->ring.size()));
}

const Timeline& Feed::timeline() const { return impl_->shared->timeline; }
Timeline& Feed::timeline() { return impl_->shared->timeline; }
std::size_t Feed::consumer_track() const { return static_cast<std::size_t>(impl_->threads); }

FeedReport Feed::take_report() {
  Impl& impl = *impl_;
  const TimelineTotals now = impl.shared->timeline.snapshot();
  const auto since_last = [&](Stage stage) {
    return now[stage].durations - impl.reported[stage].durations;
  };
  FeedReport report = std::exchange(impl.counts, FeedReport{});
  report.generate = since_last(Stage::generate);
  report.convert = since_last(Stage::convert);
  report.wait_for_generator = since_last(Stage::wait_for_generator);
  report.waited_for_generator = report.wait_for_generator.total();
  report.generated = report.generate.total();
  report.generated_cpu_share = impl.pool.cpu_share();
  report.workers = workers();
  report.max_workers = impl.threads;
  report.queue_size = queue_size();
  report.is_pure = impl.source.pure();
  report.tuned = impl.autotune.has_value();
  impl.reported = now;
  return report;
}

}  // namespace stoker::feed
