// The consumer's side: batches in order, epochs, errors, and what the waiting took.
#include "feed/feed.h"

#include <algorithm>
#include <utility>

#include "core/format.h"
#include "feed/feed_impl.h"
#include "stoker/error.h"

namespace stoker::feed {
namespace {

// Returns the timeout in nanoseconds for joining workers; more than a century counts as for ever.
std::int64_t timeout_ns(const FeedOptions& options) {
  constexpr double kCentury = 3.2e9;
  return options.timeout_seconds < kCentury
             ? static_cast<std::int64_t>(1e9 * options.timeout_seconds)
             : 0;
}

// Returns what stages did after `before`, if they are the same stages.
std::vector<StageReport> since(std::vector<StageReport> now,
                               const std::vector<StageReport>& before) {
  if (now.size() != before.size()) return now;
  for (std::size_t i = 0; i < now.size(); ++i) {
    now[i].elements -= before[i].elements;
    now[i].bytes -= before[i].bytes;
    now[i].busy -= before[i].busy;
    now[i].waited_for_input -= before[i].waited_for_input;
    now[i].waited_for_room -= before[i].waited_for_room;
    now[i].asked -= before[i].asked;
    now[i].ready -= before[i].ready;
  }
  return now;
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
                 device::Device& device, OnWait call_on_wait)
    : options(feed_options),
      on_wait(std::move(call_on_wait)),
      saves_state(options.saves_state && from->saves_state()),
      shares_cores(device.reads_host_memory()),
      sizes(sizes_of(options, *from, shares_cores)),
      shared(std::make_shared<WorkerPool::Shared>(std::move(from), options, sizes.slots, device,
                                                  sizes.workers)),
      source(*shared->source),
      schedule(shared->schedule),
      ring(shared->ring),
      sequence(static_cast<std::uint64_t>(schedule.first_batch())),
      epoch(schedule.first_epoch()),
      step(schedule.first_step()),
      source_state(options.source_state),
      reported_stages(source.stages()),
      pool(shared, {.workers = sizes.workers,
                    .active = sizes.active,
                    .seed = options.seed,
                    .shuffle = options.shuffle,
                    .nan_policy = options.nan_policy,
                    .on_error = options.on_error,
                    .max_failures = options.max_failures,
                    .shares_cores = shares_cores,
                    .timeout_ns = timeout_ns(options),
                    .source_state = options.source_state,
                    .saves_state = saves_state,
                    .max_state_bytes = options.max_state_bytes}) {
  for (auto track = static_cast<std::size_t>(sizes.workers); track < shared->timeline.size();
       ++track) {
    shared->timeline.track(track).prepare();
  }
  ring.set_depth(std::min(sizes.depth, ring.size()));
  if (!ring.shortage().empty()) warn(ring.shortage());
  if (!pool.shortage().empty()) warn(pool.shortage());
  const std::string one_worker = why_one_worker(options, source);
  if (!one_worker.empty()) warn(one_worker);
}

std::string Feed::Impl::place() const {
  return format("batch ", sequence + 1, " (epoch ", epoch + 1, ", batch ", step + 1, " of it)");
}

// ---- Batches ----

void Feed::Impl::end_epoch() {
  epoch_begin_ns = 0;
  epoch_waited_ns = 0;
  ++epoch;
  step = 0;
  // The workers end an epoch of the source when they begin the next; the last one is ended here.
  if ((epoch == schedule.end_epoch() || ran_out) && position > 0) {
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

// Takes over the source's state after a batch, or after the end of an epoch.
void Feed::Impl::keep_state(SlotNote& note) {
  if (saves_state) std::swap(source_state, note.source_state);
}

void Feed::Impl::warn_of_nan(const SlotNote& note) {
  if (warned_of_nan) return;
  warned_of_nan = true;
  warn(place() + " holds a NaN" +
       (note.rows == kSkipped ? "; it is skipped, and so are others that do (nan_policy)"
                              : "; it is trained on all the same (nan_policy)"));
}

// Batches come in order here, so that the cap does not depend on how many workers there are.
void Feed::Impl::count_failures(const SlotNote& note) {
  const bool is_first = failures.empty();
  failures.add(note.failures);
  counts.failures += note.failures.count();
  const std::string first = note.failures.first_text();
  if (counts.first_failure.empty()) counts.first_failure = first;
  if (is_first) {
    warn(format(place(),
                " met an error, which is passed over, as others will be (on_error): ", first));
  }
  try {
    failures.check();
  } catch (const std::exception& error) {
    fail(place(), error.what());
  }
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
    const bool was_there = ring.is_full(position);
    const int ready = was_there ? ring.filled(position) : 0;
    SlotNote* const found = take();
    if (found == nullptr) return std::nullopt;
    SlotNote& note = *found;
    if (note.epoch < epoch) {  // a batch beyond the end of an epoch that is over
      ring.release(position++);
      continue;
    }
    if (!note.failures.empty()) count_failures(note);
    if (note.rows == kFailed) rethrow();
    keep_state(note);
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

// ---- Feed ----

Feed::Feed(std::shared_ptr<Source> source, FeedOptions options, device::Device& device,
           OnWait on_wait)
    : impl_(std::make_unique<Impl>(std::move(source), options, device, std::move(on_wait))) {}

Feed::~Feed() {
  // If the caller wants to stop, the destructor does not wait for a generator that hangs.
  if (impl_->options.should_stop && impl_->options.should_stop()) impl_->give_up();
}

std::optional<Batch> Feed::next() { return impl_->next(); }

bool Feed::holds_next_slot() const { return impl_->ring.waits_for_release(impl_->position); }

void Feed::release(const Batch& batch) { impl_->ring.release(batch.position); }

bool Feed::ran_out() const { return impl_->ran_out; }

Position Feed::position() const {
  return {.epoch = impl_->epoch,
          .step = impl_->step,
          .batches = static_cast<std::int64_t>(impl_->sequence),
          .source_state = impl_->source_state};
}

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

const SlotLayout& Feed::layout() const { return impl_->shared->layout; }
int Feed::ring_size() const { return impl_->ring.size(); }
int Feed::workers() const { return impl_->pool.active(); }
int Feed::max_workers() const { return impl_->sizes.workers; }
void Feed::set_workers(int workers) {
  impl_->pool.set_active(std::clamp(workers, 1, impl_->sizes.workers));
}
int Feed::queue_size() const { return impl_->ring.depth() - 1; }
void Feed::set_queue_size(int batches) {
  impl_->ring.set_depth(std::clamp(batches + 1, 1, impl_->ring.size()));
}

std::vector<StageReport> Feed::source_stages() const { return impl_->source.stages(); }
CoreShares Feed::core_shares() const { return impl_->pool.core_shares(); }
std::string Feed::describe_next() const { return impl_->describe_next(); }

const Timeline& Feed::timeline() const { return impl_->shared->timeline; }
Timeline& Feed::timeline() { return impl_->shared->timeline; }
std::size_t Feed::consumer_track() const { return static_cast<std::size_t>(impl_->sizes.workers); }

int Feed::filled() const { return impl_->ring.full(); }
std::int64_t Feed::waiting_since_ns() const {
  return impl_->waiting_since_ns.load(std::memory_order_relaxed);
}

FeedReport Feed::Impl::measured(const TimelineTotals& now) const {
  const auto since_last = [&](Stage stage) {
    return now[stage].durations - reported[stage].durations;
  };
  FeedReport report = counts;
  report.generate = since_last(Stage::generate);
  report.convert = since_last(Stage::convert);
  report.wait_for_generator = since_last(Stage::wait_for_generator);
  report.waited_for_generator = report.wait_for_generator.total();
  report.generated = report.generate.total();
  const CoreShares shares = pool.core_shares();
  report.generated_cpu_share = shares.had;
  report.generated_core_share = shares.wanted;
  report.drawn_one_by_one = pool.drawn_one_by_one() - drawn;
  report.workers = pool.active();
  report.max_workers = sizes.workers;
  report.limited_by_memory = sizes.limited_by_memory;
  report.queue_size = ring.depth() - 1;
  report.is_pure = source.pure();
  const SourceTraits traits = source.traits();
  report.source = traits.kind;
  report.is_optimized = traits.is_optimized;
  report.float_share = float_share(source.spec());
  report.stages = since(source.stages(), reported_stages);
  return report;
}

FeedReport Feed::report_so_far() const {
  return impl_->measured(impl_->shared->timeline.snapshot());
}

FeedReport Feed::take_report() {
  Impl& impl = *impl_;
  TimelineTotals now = impl.shared->timeline.snapshot();
  FeedReport report = impl.measured(now);
  impl.drawn += report.drawn_one_by_one;
  impl.counts = FeedReport{};
  impl.reported = std::move(now);
  impl.reported_stages = impl.source.stages();
  return report;
}

}  // namespace stoker::feed
