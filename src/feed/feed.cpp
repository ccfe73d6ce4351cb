// The consumer's side: batches in order, epochs, errors, and what the waiting took.
#include "feed/feed.h"

#include <time.h>

#include <algorithm>
#include <iostream>
#include <utility>

#include "core/format.h"
#include "feed/feed_impl.h"
#include "stoker/error.h"

namespace stoker::feed {
namespace {

std::int64_t process_cpu_ns() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return std::int64_t{1'000'000'000} * time.tv_sec + time.tv_nsec;
}

// Returns the timeout in nanoseconds for joining workers; more than a century counts as for ever.
std::int64_t timeout_ns(const FeedOptions& options) {
  constexpr double kCentury = 3.2e9;
  return options.timeout_seconds < kCentury
             ? static_cast<std::int64_t>(1e9 * options.timeout_seconds)
             : 0;
}

// Returns the share of float32 inputs in a batch's bytes, which could be fewer with other element
// types.
double float_share(const BatchSpec& spec) {
  const auto bytes = [](const Field& field) {
    return static_cast<double>(field.shape.elements()) * static_cast<double>(size_of(field.dtype));
  };
  double floats = 0.0;
  double all = 0.0;
  for (std::size_t i = 0; i < spec.field_count(); ++i) all += bytes(spec.field(i));
  for (const Field& field : spec.inputs) {
    if (field.dtype == DType::float32) floats += bytes(field);
  }
  return all > 0.0 ? floats / all : 0.0;
}

}  // namespace

Feed::Impl::Impl(std::shared_ptr<Source> from, const FeedOptions& feed_options,
                 device::Device& device)
    : options(feed_options),
      shares_cores(device.reads_host_memory()),
      sizes(sizes_of(options, *from, shares_cores)),
      shared(std::make_shared<WorkerPool::Shared>(std::move(from), options, sizes.slots, device,
                                                  sizes.workers)),
      source(*shared->source),
      schedule(shared->schedule),
      ring(shared->ring),
      epoch(schedule.first_epoch()),
      pool(shared, {.workers = sizes.workers,
                    .active = sizes.active,
                    .seed = options.seed,
                    .shuffle = options.shuffle,
                    .nan_policy = options.nan_policy,
                    .shares_cores = shares_cores,
                    .timeout_ns = timeout_ns(options)}) {
  for (auto track = static_cast<std::size_t>(sizes.workers); track < shared->timeline.size();
       ++track) {
    shared->timeline.track(track).prepare();
  }
  ring.set_depth(std::min(sizes.depth, ring.size()));
  if (!ring.shortage().empty()) warn(ring.shortage());
  if (!pool.shortage().empty()) warn(pool.shortage());
  const std::string one_worker = why_one_worker(options, source);
  if (!one_worker.empty()) warn(one_worker);
  start_tuning();
}

void Feed::Impl::warn(const std::string& what) const {
  if (options.warn) {
    options.warn(what);
  } else {
    std::cerr << "Warning: " << what << '\n';
  }
}

std::string Feed::Impl::place() const {
  return format("batch ", sequence + 1, " (epoch ", epoch + 1, ", batch ", step + 1, " of it)");
}

// ---- Batches ----

void Feed::Impl::begin_epoch() {
  epoch_begin_ns = now_ns();
  starvation.begin_epoch(epoch_begin_ns);
}

void Feed::Impl::end_epoch() {
  const std::int64_t now = now_ns();
  if (epoch_begin_ns > 0) training_ns += now - epoch_begin_ns;
  starvation.end_epoch(now);
  epoch_begin_ns = 0;
  epoch_waited_ns = 0;
  ++epoch;
  step = 0;
  // The workers end an epoch of the source when they begin the next; the last one is ended here.
  if ((epoch == schedule.end_epoch() || ran_out) && sequence > 0) {
    pool.stop();  // some workers may be about to ask for batches beyond the end
    if (pool.join()) end_source();
  }
}

void Feed::Impl::end_source() {
  const auto where = [&] { return format("the end of epoch ", epoch, ", after its last batch"); };
  try {
    source.end_epoch(schedule.source_epoch(epoch - 1));
  } catch (const std::exception& error) {
    fail(where(), error.what());
  } catch (...) {
    fail(where(), "the generator threw something that is no std::exception");
  }
}

void Feed::Impl::warn_of_nan(const SlotNote& note) {
  if (warned_of_nan) return;
  warned_of_nan = true;
  warn(place() + " holds a NaN" +
       (note.rows == kSkipped ? "; it is skipped, and so are others that do (nan_policy)"
                              : "; it is trained on all the same (nan_policy)"));
}

std::optional<Batch> Feed::Impl::next() {
  if (failed) std::rethrow_exception(failed);
  for (;;) {
    if (ran_out || stopped || epoch == schedule.end_epoch()) return std::nullopt;
    if (epoch_begin_ns == 0) begin_epoch();
    const std::optional<std::int64_t> steps = schedule.steps(epoch);
    if (step == steps) {
      end_epoch();
      return std::nullopt;
    }
    const bool was_there = ring.is_full(position);
    const int ready = was_there ? ring.filled(position) : 0;
    const SlotNote* const found = take();
    if (found == nullptr) return std::nullopt;
    const SlotNote& note = *found;
    if (note.epoch < epoch) {  // a batch beyond the end of an epoch that is over
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
    counts.ring_filled += ready;
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
                 .filled_ns = note.end_ns,
                 .was_awaited = !was_there};
  }
}

// ---- Tuning ----

void Feed::Impl::start_tuning() {
  const bool tune_workers = options.workers == AUTOTUNE && sizes.workers > 1;
  const bool tune_slots = options.max_queue_size == AUTOTUNE;
  if (!tune_workers && !tune_slots) return;
  autotune.emplace(TuneLimits{.max_workers = sizes.workers,
                              .max_slots = ring.size(),
                              .queued = tune_slots ? ring.depth() - 1 : options.max_queue_size,
                              .tune_workers = tune_workers,
                              .tune_slots = tune_slots,
                              .device_slots = shares_cores ? 0 : kDeviceSlots,
                              .cores = static_cast<double>(cores())},
                   Autotune::Choice{.workers = pool.active(), .slots = ring.depth()},
                   Autotune::Measured{.cpu_ns = process_cpu_ns()});
}

void Feed::Impl::tune() {
  const std::int64_t trained = training_ns + now_ns() - epoch_begin_ns;
  if (!autotune->is_due(taken, trained)) return;
  const TimelineTotals totals = shared->timeline.snapshot();
  const WorkerPool::CoreShares shares = pool.core_shares();
  const std::optional<Autotune::Choice> choice = autotune->decide(
      {.batches = taken,
       .training_ns = trained,
       .cpu_ns = process_cpu_ns(),
       .waited_ns =
           static_cast<std::int64_t>(1e9 * totals[Stage::wait_for_generator].durations.total()),
       .cpu_share = shares.had,
       .core_share = shares.wanted,
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
  // If the caller wants to stop, the destructor does not wait for a generator that hangs.
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

void Feed::fail(const Batch& batch, const std::string& what) {
  // next() has counted the batch already.
  impl_->fail(format("batch ", batch.sequence + 1, " (epoch ", impl_->epoch + 1, ", batch ",
                     impl_->step, " of it)"),
              what);
}

void Feed::note_step(std::int64_t ns) { impl_->steps.add(ns); }
void Feed::note_upload(std::int64_t ns) { impl_->uploads.add(ns); }

void Feed::watch(std::function<void(std::int64_t)> on_wait) { impl_->watch = std::move(on_wait); }

void Feed::warn_of_starvation(const Starvation::Found& found) {
  impl_->warn_of_starvation(found, "the device");
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
std::size_t Feed::consumer_track() const { return static_cast<std::size_t>(impl_->sizes.workers); }

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
  const WorkerPool::CoreShares shares = impl.pool.core_shares();
  report.generated_cpu_share = shares.had;
  report.generated_core_share = shares.wanted;
  const std::uint64_t drawn = impl.pool.drawn_one_by_one();
  report.drawn_one_by_one = drawn - std::exchange(impl.drawn, drawn);
  report.workers = workers();
  report.max_workers = impl.sizes.workers;
  report.limited_by_memory = impl.sizes.limited_by_memory;
  report.queue_size = queue_size();
  report.is_pure = impl.source.pure();
  const SourceTraits traits = impl.source.traits();
  report.source = traits.kind;
  report.is_optimized = traits.is_optimized;
  report.float_share = float_share(impl.source.spec());
  report.tuned = impl.autotune.has_value();
  report.tuned_workers = report.tuned && impl.options.workers == AUTOTUNE && report.max_workers > 1;
  impl.reported = now;
  return report;
}

}  // namespace stoker::feed
