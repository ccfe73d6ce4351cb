#include "train/loop/loop.h"

#include <limits>
#include <utility>

#include "core/format.h"
#include "core/timeline.h"
#include "stoker/error.h"
#include "train/loop/collected.h"
#include "train/loop/interrupt.h"

namespace stoker::train {
namespace {

// The interval, in nanoseconds, at which the host reads back what the device has recorded.
constexpr std::int64_t kReadbackInterval = 100'000'000;

std::size_t index_of(Mode mode) { return static_cast<std::size_t>(mode); }

}  // namespace

Loop::Loop(Model::Impl& model, Mode mode, const char* what, std::shared_ptr<Source> source,
           CallbackList& callbacks, const InterruptScope& interrupt, Collected* outputs)
    : model_(model),
      mode_(mode),
      what_(what),
      source_(std::move(source)),
      callbacks_(callbacks),
      interrupt_(interrupt),
      outputs_(outputs),
      outer_(model.loop),
      exceptions_(std::uncaught_exceptions()),
      runner_(model, mode, *source_) {
  runner_.prepare();
  model_.let_run(mode_);
  model_.loop = this;
}

Loop::~Loop() {
  model_.loop = outer_;
  if (std::uncaught_exceptions() == exceptions_) return;
  pipeline_.reset();
  try {
    model_.state.clear_error();
  } catch (const DeviceError&) {  // A broken device records no more errors.
  }
}

void Loop::open(const feed::FeedOptions& options, const FitPosition& start) {
  start_ = start;
  steps_ = start.steps;
  pipeline_ = model_.open_feed(runner_.prepare(), source_, options);
  if (mode_ != Mode::predict) readback_.emplace(model_.state);
}

std::int64_t Loop::run_epoch(std::int64_t epoch) {
  begin_epoch(epoch);
  while (const auto batch = pipeline_->next()) {
    callbacks_.send_step(kBatchBegin[index_of(mode_)], epoch_steps_);
    launch(*batch);
    end_step();
    if (interrupt_.requested() || was_stopped()) break;
    report_progress();
  }
  end_epoch();
  return epoch_steps_;
}

void Loop::begin_epoch(std::int64_t epoch) {
  place_ = {.epoch = epoch};
  // A fit may go on in the middle of an epoch, whose totals are there already.
  epoch_steps_ = epoch == start_.feed.epoch ? start_.steps_of_epoch : 0;
  if (mode_ == Mode::train) {
    place_.counter = model_.state.read_scalars().step - static_cast<std::uint32_t>(epoch_steps_);
  }
  if (mode_ != Mode::predict && epoch_steps_ == 0) model_.state.reset_metrics();
  callbacks_.take_seconds();
  clock_.begin();
  next_readback_ns_ = clock_.begin_ns() + kReadbackInterval;
}

void Loop::launch(const feed::Batch& batch) {
  place_.step = epoch_steps_;
  runner_.run(batch, pipeline_->ring(), place_);
  pipeline_->consumed(batch);
  if (outputs_ == nullptr) return;
  outputs_->take(runner_.plan(batch.rows), batch.rows, model_.state.stream());
  runner_.check(place_);
}

// A hook that reads logs waits for the step, whose error is then known at no cost.
void Loop::end_step() {
  ++epoch_steps_;
  ++steps_;
  if (outputs_ != nullptr) {
    callbacks_.send_step(kPredictBatchEnd, place_.step, PredictionsView(*outputs_));
  } else {
    callbacks_.send_step(kBatchEnd[index_of(mode_)], place_.step, LogsView(*this));
    if (logs_state_ == LogsState::read) runner_.check(place_, readback_->scalars());
    logs_state_ = LogsState::none;
  }
}

// Copies of what the device has recorded are enqueued behind the steps, so that no step waits for
// them, and looked at when they have arrived.
void Loop::report_progress() {
  if (!readback_) return;
  // Reading the clock takes as long as a few of these lines, and the pipeline has done so already.
  const std::int64_t now = pipeline_->consumed_ns();
  if (!readback_->is_pending()) {
    if (now < next_readback_ns_) return;
    next_readback_ns_ = now + kReadbackInterval;
    readback_->request(epoch_steps_);
  }
  if (!readback_->has_arrived()) return;
  runner_.check(place_, readback_->scalars());
  logs_state_ = LogsState::arrived;
  callbacks_.send(kProgress[index_of(mode_)], readback_->steps() - 1, LogsView(*this));
  logs_state_ = LogsState::none;
}

const Logs& Loop::read() {
  if (logs_state_ == LogsState::read) return logs_;
  if (logs_state_ == LogsState::none) readback_->read_now(place_.step + 1);
  model_.logs_of(readback_->metrics(), logs_);
  logs_state_ = LogsState::read;
  return logs_;
}

void Loop::end_epoch() {
  clock_.end();
  settle();
  // Copies that are under way are of no use to the next epoch.
  if (readback_ && readback_->is_pending()) readback_->has_arrived();
  if (!interrupt_.requested()) return;
  if (mode_ == Mode::train) {
    throw Interrupted(format(what_, ": interrupted after step ", epoch_steps_, " of epoch ",
                             place_.epoch + 1, "; the weights are those after it"));
  }
  throw Interrupted(format(what_, ": interrupted after step ", epoch_steps_));
}

void Loop::settle() {
  try {
    runner_.check(place_);
  } catch (...) {
    callbacks_.fail(std::current_exception());
    throw;
  }
}

FitPosition Loop::position() const {
  FitPosition position = start_;
  position.feed.set(pipeline_->feed().position());
  position.feed.set(*source_);
  position.steps_of_epoch = position.feed.step == 0 ? 0 : epoch_steps_;
  position.steps = steps_;
  position.callbacks = callbacks_.save_states();
  return position;
}

FeedReport Loop::take_report() {
  FeedReport report = pipeline_->take_report();
  clock_.complete(report, step_cores());
  report.callbacks = callbacks_.take_seconds();
  return report;
}

FeedReport Loop::report_so_far() const {
  FeedReport report = pipeline_->report_so_far();
  clock_.complete(report, step_cores());
  return report;
}

double Loop::step_cores() const {
  if (!model_.state.device().reads_host_memory()) return 0.0;
  const int threads = model_.options.threads;
  return threads > 0 ? threads : std::numeric_limits<double>::infinity();
}

}  // namespace stoker::train
