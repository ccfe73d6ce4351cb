#include "stoker/loader.h"

#include <signal.h>

#include <algorithm>
#include <exception>
#include <limits>
#include <utility>

#include "core/check.h"
#include "core/format.h"
#include "feed/ring/feed_state.h"
#include "feed/ring/resume.h"
#include "feed/ring/schedule.h"
#include "feed/upload/pipeline.h"
#include "report/progress_bar.h"
#include "report/trace.h"
#include "stoker/error.h"
#include "train/loader/current_batch.h"
#include "train/loop/interrupt.h"
#include "train/loop/run_clock.h"
#include "train/runtime/step_runner.h"

namespace stoker {
namespace {

constexpr const char* kWhat = "stream";
// The number of stamps that a timeline keeps of each thread.
constexpr std::size_t kStamps = 1024;
constexpr std::size_t kTracedStamps = 65536;
// The batches of an epoch that never ends.
constexpr std::int64_t kEndless = std::int64_t{1} << 62;

// The number of batches to make ahead, for a program that did not say.
int queue_for(Source& source) {
  constexpr std::size_t kMost = 10;
  constexpr std::size_t kBytes = std::size_t{32} << 20;
  const std::size_t fit =
      kBytes / std::max<std::size_t>(1, feed::SlotLayout::of_host(source).bytes);
  return static_cast<int>(std::clamp<std::size_t>(fit, 2, kMost));
}

void check_options(const StreamOptions& options) {
  const auto require = [](const char* name, auto value, check::Range range) {
    check::require(kWhat, name, value, range);
  };
  require("epochs", options.epochs, check::at_least(1));
  require("max_state_bytes", options.max_state_bytes, check::at_least(0));
}

}  // namespace

struct Loader::Impl {
  Impl(SourceHandle handle, StreamOptions given)
      : options(std::move(given)),
        source(handle.source()),
        device(*options.device.base()),
        resume(feed::resume_of(*source)),
        batch(std::make_shared<detail::CurrentBatch>(source->spec())),
        end_epoch(options.epochs) {
    place.seed = options.seed;
    place.set(*source);
  }

  ~Impl() {
    end_turn();
    close_quietly();
    const bool exits = exits_on_interrupt();
    if (!interrupt || !interrupt->close(exits)) return;
    // The loop was left before it could hear of the signal, which must not be lost.
    if (exits) train::exit_on_interrupt(Interrupted(format(kWhat, ": interrupted")));
    raise(SIGINT);
  }

  bool exits_on_interrupt() const {
    return interrupt && options.on_interrupt == OnInterrupt::exit && !interrupt->is_nested();
  }

  feed::FeedOptions feed_options() const {
    feed::FeedOptions feed{.what = kWhat,
                           .epochs = end_epoch - place.epoch,
                           .first_epoch = place.epoch,
                           .max_state_bytes = static_cast<std::size_t>(options.max_state_bytes),
                           .saves_state = source->saves_state(),
                           .steps_per_epoch = options.steps_per_epoch,
                           .max_queue_size = options.max_queue_size.value_or(queue_for(*source)),
                           .workers = options.workers,
                           .max_workers = options.max_workers,
                           .seed = place.seed,
                           .shuffle = options.shuffle,
                           .nan_policy = options.nan_policy,
                           .on_error = options.on_error,
                           .max_failures = options.max_failures,
                           .timeout_seconds = options.generator_timeout,
                           .stamps_per_track = options.trace.empty() ? kStamps : kTracedStamps,
                           .warn = report::print_warning,
                           .should_stop = [this] { return interrupt && interrupt->requested(); }};
    if (!options.steps_per_epoch && source->endless()) feed.steps_per_epoch = kEndless;
    // A source that can't go on from a place begins its next epoch as one that was never asked.
    if (resume.kind != feed::ResumeKind::none) feed.resume_at(place.position());
    return feed;
  }

  void open() {
    if (!interrupt) interrupt.emplace(options.on_interrupt != OnInterrupt::ignore);
    if (!compute) compute = device.make_stream();
    clock.begin();
    pipeline = std::make_unique<feed::Pipeline>(source, feed_options(), device, *compute);
  }

  // Returns null at the end of an epoch.
  const BatchView* next() {
    end_turn();
    if (failure) std::rethrow_exception(failure);
    if (is_done()) return nullptr;
    try {
      if (!pipeline) open();
      throw_if_interrupted();
      held = pipeline->next();
      throw_if_interrupted();
      place.set(pipeline->position());
      if (held) return begin_turn();
      has_run_out = pipeline->feed().ran_out();
    } catch (...) {
      failure = std::current_exception();
      end_turn();
      close_quietly();
      end_interrupt();
      throw;
    }
    if (is_done()) {
      close();
      end_interrupt();
    }
    return nullptr;
  }

  bool is_done() const { return has_run_out || place.epoch >= end_epoch; }

  const BatchView* begin_turn() {
    ++batch->turn;
    batch->rows = held->rows;
    batch->epoch = place.epoch;
    batch->index = place.step - 1;
    batch->sequence = held->sequence;
    batch->host = source->device_filler() == nullptr ? held->block : nullptr;
    batch->device = pipeline->device_block(*held);
    batch->on = &device;
    batch->stream = compute.get();
    view = detail::LoaderAccess::view(batch);
    return &view;
  }

  void end_turn() {
    if (!held) return;
    ++batch->turn;
    try {
      pipeline->consumed(*held);
    } catch (const DeviceError&) {  // The next call on the device says so too.
    }
    held.reset();
  }

  // Joins the threads, and keeps what was measured.
  void close() {
    if (!pipeline) return;
    clock.end();
    FeedReport last = pipeline->take_report();
    clock.complete(last, step_cores());
    total += last;
    const std::unique_ptr<feed::Pipeline> closing = std::move(pipeline);
    if (options.trace.empty()) return;
    feed::Feed& feed = closing->feed();
    feed.stop();
    report::write_trace(feed.timeline(), feed.consumer_track(), options.trace);
  }
  void close_quietly() {
    try {
      close();
    } catch (const Error& error) {
      report::print_warning(format(kWhat, ": ", error.what()));
    }
    pipeline.reset();
  }

  void throw_if_interrupted() {
    if (!interrupt || !interrupt->requested()) return;
    throw Interrupted(format(kWhat, ": interrupted after batch ", place.batches));
  }

  // Ends the listening for Ctrl-C, and with it the program or the loop if the signal came.
  void end_interrupt() {
    if (!interrupt) return;
    const bool exits = exits_on_interrupt();
    const bool came = interrupt->close(exits);
    interrupt.reset();
    if (!came) return;
    const Interrupted error(format(kWhat, ": interrupted after batch ", place.batches));
    if (exits) train::exit_on_interrupt(error);
    failure = std::make_exception_ptr(error);
    throw error;
  }

  // What the loop does with a batch takes one core, as far as anybody knows.
  double step_cores() const { return device.reads_host_memory() ? 1.0 : 0.0; }

  FeedReport report() const {
    FeedReport report = total;
    if (!pipeline) return report;
    FeedReport now = pipeline->report_so_far();
    clock.complete(now, step_cores());
    report += now;
    return report;
  }

  const StreamOptions options;
  const std::shared_ptr<Source> source;
  device::Device& device;
  const feed::Resume resume;
  const std::shared_ptr<detail::CurrentBatch> batch;
  BatchView view;
  feed::FeedState place;  // After the batch of the last turn.
  std::int64_t end_epoch;
  bool has_run_out = false;
  std::exception_ptr failure;
  std::optional<train::InterruptScope> interrupt;
  train::RunClock clock;
  FeedReport total;  // Of the feeds before the present one.
  std::unique_ptr<device::Stream> compute;
  std::unique_ptr<feed::Pipeline> pipeline;  // Null before the first batch and after the last one.
  std::optional<feed::Batch> held;
};

Loader::Loader(SourceHandle source, StreamOptions options) {
  train::require_source(source.source(), kWhat);
  check_options(options);
  impl_ = std::make_unique<Impl>(std::move(source), std::move(options));
  const feed::Schedule check(impl_->feed_options(), *impl_->source);
}
Loader::Loader(Loader&&) noexcept = default;
Loader& Loader::operator=(Loader&&) noexcept = default;
Loader::~Loader() = default;

const BatchView* Loader::next() {
  while (!impl_->is_done() || impl_->failure || impl_->held) {
    if (const BatchView* const batch = impl_->next()) return batch;
  }
  return nullptr;
}

const BatchView* Loader::next_of_epoch() { return impl_->next(); }

void Loader::begin_again() {
  Impl& impl = *impl_;
  if (!impl.is_done() || impl.failure || impl.held) return;
  impl.has_run_out = false;
  impl.end_epoch = impl.place.epoch + impl.options.epochs;
}

bool Loader::is_done() const { return impl_->is_done(); }

std::vector<std::byte> Loader::state() const {
  const feed::Resume& resume = impl_->resume;
  if (resume.kind == feed::ResumeKind::none) {
    throw ValueError(format(kWhat, ": the source has no state: ", resume.why_not));
  }
  return impl_->place.to_bytes();
}

void Loader::restore(std::span<const std::byte> state) {
  Impl& impl = *impl_;
  feed::FeedState place = feed::FeedState::from_bytes(state, kWhat);
  feed::check_source(place, *impl.source, kWhat);
  const std::int64_t epochs = impl.options.epochs;
  // An earlier loop may have begun again after its last epoch.
  const std::int64_t rounds = (place.epoch + (place.step > 0 ? 1 : 0) + epochs - 1) / epochs;
  std::int64_t end_epoch = std::max<std::int64_t>(1, rounds) * epochs;
  const auto exchange = [&] {
    std::swap(impl.place, place);
    std::swap(impl.end_epoch, end_epoch);
  };
  exchange();
  try {
    const feed::Schedule check(impl.feed_options(), *impl.source);
  } catch (...) {
    exchange();
    throw;
  }
  impl.end_turn();
  impl.close();
  impl.failure = nullptr;
  impl.has_run_out = false;
}

FeedReport Loader::report() const { return impl_->report(); }

FeedReport Loader::take_report() {
  Impl& impl = *impl_;
  FeedReport report = std::exchange(impl.total, FeedReport{});
  if (!impl.pipeline) return report;
  FeedReport last = impl.pipeline->take_report();
  impl.clock.complete(last, impl.step_cores());
  report += last;
  impl.clock.begin();
  return report;
}

std::string Loader::verdict() const { return report().verdict(); }

const BatchSpec& Loader::spec() const { return impl_->batch->spec; }
const Device& Loader::device() const { return impl_->options.device; }
int Loader::workers() const { return impl_->pipeline ? impl_->pipeline->feed().workers() : 0; }

}  // namespace stoker
