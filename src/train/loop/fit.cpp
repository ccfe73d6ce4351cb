// Training.
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include "core/check.h"
#include "core/format.h"
#include "data/array_source.h"
#include "feed/upload/class_weights.h"
#include "report/progress_bar.h"
#include "stoker/array_source.h"
#include "stoker/callbacks.h"
#include "stoker/error.h"
#include "stoker/random.h"
#include "train/callbacks/history_recorder.h"
#include "train/callbacks/live_view.h"
#include "train/callbacks/missing_batches.h"
#include "train/callbacks/silent_mistakes.h"
#include "train/callbacks/trace_writer.h"
#include "train/loop/loop.h"
#include "train/loop/validation.h"
#include "train/saving/averages.h"

namespace stoker {

using train::CallbackList;
using train::Mode;

namespace {

// The number of stamps that a timeline keeps of each thread.
constexpr std::size_t kStamps = 1024;
constexpr std::size_t kTracedStamps = 65536;

constexpr int kLive = 3;  // The verbose of the live view.

void check_options(const FitOptions& options) {
  const auto require = [](const char* name, auto value, check::Range range) {
    check::require("fit", name, value, range);
  };
  require("epochs", options.epochs, check::at_least(1));
  require("verbose", options.verbose, check::closed(0, 3));
  require("batch_size", options.batch_size, check::at_least(1));
  require("validation_split", options.validation_split, check::half_open(0, 1));
  require("validation_freq", options.validation_freq, check::at_least(1));
  if (options.max_queue_size != AUTOTUNE) {
    require("max_queue_size", options.max_queue_size, check::at_least(1));
  }
  if (options.workers != AUTOTUNE) require("workers", options.workers, check::at_least(1));
  require("max_state_bytes", options.max_state_bytes, check::at_least(0));
  require("initial_epoch", options.initial_epoch,
          check::closed(0, static_cast<double>(options.epochs)));
  const int validations = (options.validation_data ? 1 : 0) +
                          (options.validation_generator ? 1 : 0) +
                          (options.validation_split != 0.0 ? 1 : 0);
  if (validations > 1) {
    throw ValueError("fit: give one of validation_split, validation_data and validation_generator");
  }
}

feed::FeedOptions feed_options_of(const FitOptions& options, std::uint64_t seed,
                                  const train::InterruptScope& interrupt) {
  return {.epochs = options.epochs - options.initial_epoch,
          .first_epoch = options.initial_epoch,
          .max_state_bytes = static_cast<std::size_t>(options.max_state_bytes),
          .steps_per_epoch = options.steps_per_epoch,
          .max_queue_size = options.max_queue_size,
          .workers = options.workers,
          .max_workers = options.max_workers,
          .seed = seed,
          .shuffle = options.shuffle,
          .nan_policy = options.nan_policy,
          .on_error = options.on_error,
          .max_failures = options.max_failures,
          .timeout_seconds = options.generator_timeout,
          .stamps_per_track = options.trace.empty() ? kStamps : kTracedStamps,
          .warn = report::print_warning,
          .should_stop = [&interrupt] { return interrupt.requested(); }};
}

// A source of the validation that is not pure gets one worker, without the warning, which would
// come in every epoch.
feed::FeedOptions validation_options_of(const FitOptions& options, const Source& validation,
                                        std::uint64_t seed,
                                        const train::InterruptScope& interrupt) {
  return {.epochs = 1,
          .first_epoch = 0,
          .saves_state = false,
          .steps_per_epoch = options.validation_steps,
          .max_queue_size = options.max_queue_size,
          .workers = validation.pure() ? options.workers : 1,
          .max_workers = options.max_workers,
          .seed = seed,
          .nan_policy = options.nan_policy,
          .on_error = options.on_error,
          .max_failures = options.max_failures,
          .timeout_seconds = options.generator_timeout,
          .warn = report::print_warning,
          .should_stop = [&interrupt] { return interrupt.requested(); }};
}

// Checks what a fit validates on, and the source that it trains on beside it.
void check_validation(const Source& validation, const Source& training, const FitOptions& options) {
  train::require_end(validation, options.validation_steps, "fit", "validation_steps");
  if (&validation.innermost() == &training.innermost() && !training.pure()) {
    throw ValueError(
        "fit: the training's generator is the validation's too, and would be called by two "
        "threads at a time: give validation one of its own, or say pure(f) if that is safe");
  }
}

// An error ends the fit, unless a callback wants it to stop there as usual.
void run_epoch(train::Loop& loop, std::int64_t epoch, CallbackList& callbacks) {
  try {
    loop.run_epoch(epoch);
  } catch (const Error& failure) {
    if (!callbacks.absorb(failure)) throw;
    loop.stop();
  }
}

// An error of the validation, or Ctrl-C in it, ends the fit too. Callbacks hear of it, so that they
// can save what was trained, but can't absorb it.
Logs validate(Model::Impl& model, const std::shared_ptr<Source>& validation,
              const feed::FeedOptions& options, CallbackList& callbacks,
              const train::InterruptScope& interrupt) {
  try {
    return train::run_evaluation(model, validation, options, callbacks, interrupt);
  } catch (const CallbackError&) {
    throw;
  } catch (const Error& failure) {
    callbacks.absorb(failure);
    throw;
  }
}

void require_batches(const train::Loop& loop, const FitOptions& options) {
  const bool skips = options.nan_policy == NanPolicy::skip || options.on_error == OnError::skip;
  if (loop.steps_of_epoch() > 0 || loop.was_stopped() || !skips || loop.has_run_out()) return;
  throw DataError(format("fit: every batch of epoch ", loop.epoch() + 1,
                         " held a NaN, or failed, and was skipped; nothing was trained in it"));
}

}  // namespace

// Each fit that begins at epoch 0 gets another seed, because it would otherwise repeat the
// shuffling and the generator's random numbers of the one before. A fit with an initial_epoch
// continues with the seed of the last one.
std::uint64_t Model::Impl::seed_of(const FitOptions& fit_options) const {
  const std::uint64_t run =
      fit_options.initial_epoch == 0 ? fits_begun : std::max<std::uint64_t>(fits_begun, 1) - 1;
  if (run == 0) return options.seed;
  const auto low = [](std::uint64_t value) { return static_cast<std::uint32_t>(value); };
  const auto high = [](std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); };
  const PhiloxCounter words =
      philox4x32({low(run), high(run), 0, 0}, {low(options.seed), high(options.seed)});
  return std::uint64_t{words[0]} << 32 | words[1];
}

History Model::Impl::fit_tensors(const Tensors& x, const Tensors& y, const FitOptions& fit_options,
                                 const train::Caller& caller) {
  check_options(fit_options);
  const train::Arrays given = arrays(x, y, fit_options.sample_weight, "fit");
  const auto rows_of = [&](ArrayOptions options, std::int64_t begin = 0, std::int64_t end = -1) {
    return borrow_arrays(given.inputs, given.targets, given.sample_weights, options, begin, end);
  };
  const ArrayOptions training{.batch_size = fit_options.batch_size,
                              .shuffle = fit_options.shuffle,
                              .seed = seed_of(fit_options)};
  if (fit_options.validation_split == 0.0) return fit(rows_of(training), fit_options, caller);
  // The split takes the last rows, before any shuffling, as in Keras.
  const bool has_rows = !given.targets.empty() && given.targets[0]->shape().rank() > 0;
  const std::int64_t rows = has_rows ? given.targets[0]->shape()[0] : 0;
  const auto split = static_cast<std::int64_t>(
      std::floor(static_cast<double>(rows) * (1.0 - fit_options.validation_split)));
  if (split == 0 || split == rows) {
    throw ValueError(format("fit: validation_split ", fit_options.validation_split, " of ", rows,
                            " rows leaves ", split, " to train on and ", rows - split,
                            " to validate on"));
  }
  return fit(rows_of(training, 0, split), fit_options, caller,
             rows_of({.batch_size = fit_options.batch_size}, split, rows));
}

// The source borrows `arrays`, and is null where the options name none.
std::shared_ptr<Source> Model::Impl::validation_of(const FitOptions& fit_options,
                                                   train::Arrays& given) const {
  const auto& handle = fit_options.validation_generator ? fit_options.validation_generator
                                                        : fit_options.validation_data.source();
  if (handle) {
    train::require_source(handle->source(), fit_options.validation_generator
                                                ? "fit, validation_generator"
                                                : "fit, validation_data");
    return handle->source();
  }
  if (!fit_options.validation_data) return nullptr;
  const ValidationData& data = *fit_options.validation_data.data();
  if (data.x.empty() || data.y.empty()) {
    throw ValueError(
        format("fit, validation_data: expected x and y, received no ", data.x.empty() ? "x" : "y"));
  }
  given = arrays(data.x, data.y, data.sample_weight, "fit, validation_data");
  return borrow_arrays(given.inputs, given.targets, given.sample_weights,
                       {.batch_size = fit_options.batch_size});
}

History Model::Impl::fit(std::shared_ptr<Source> source, const FitOptions& fit_options,
                         const train::Caller& caller, std::shared_ptr<Source> validation) {
  require_compiled("fit");
  check_options(fit_options);
  train::require_source(source, "fit");
  train::require_end(*source, fit_options.steps_per_epoch, "fit", "steps_per_epoch");
  train::Arrays validation_arrays;
  if (!validation) validation = validation_of(fit_options, validation_arrays);
  if (validation) check_validation(*validation, *source, fit_options);
  if (fit_options.epochs == fit_options.initial_epoch) return {};
  std::optional<std::int64_t> steps = fit_options.steps_per_epoch;
  if (!steps) steps = source->batches_per_epoch();
  const std::shared_ptr<Source> given = source;
  std::shared_ptr<ClassUse> class_use;
  if (!fit_options.class_weight.empty()) {
    class_use = std::make_shared<ClassUse>(fit_options.class_weight);
    source = feed::weigh_classes(std::move(source), fit_options.class_weight, class_use);
  }

  feed::FeedOptions feed_options =
      feed_options_of(fit_options, seed_of(fit_options), caller.interrupt);
  if (caller.is_measurement) feed_options.warn = [](const std::string&) {};
  CallbackList callbacks(caller.model, "fit", train::callbacks_of(fit_options),
                         {fit_options.epochs, steps, fit_options.verbose}, *use);
  if (callbacks.has_report()) feed_options.stamps_per_track = kTracedStamps;
  train::Loop loop(*this, Mode::train, "fit", source, callbacks, caller.interrupt);
  // Validation is planned now too, so that an error of shapes does not come to light only after an
  // epoch.
  if (validation) train::StepRunner(*this, Mode::evaluate, *validation).prepare();

  int verbose = callbacks.has_progress_bar() ? 0 : fit_options.verbose;
  std::unique_ptr<train::LiveView> view;
  if (verbose == kLive) {
    view = train::LiveView::open(loop, name, !caller.interrupt.listens(), verbose);
    if (view) verbose = 0;
  }
  std::optional<CallbackList::Own> own_view;
  if (view) own_view.emplace(callbacks, *view);
  ProgbarLogger progress(verbose);
  train::HistoryRecorder history;
  train::MissingBatches missing(loop, feed_options);
  train::ConstantLoss constant_loss(fits_begun == 0 && !caller.is_measurement);
  train::UnusedClassWeights unused_weights(caller.is_measurement ? nullptr : class_use);
  train::TraceWriter trace(loop, fit_options.trace);
  const CallbackList::Own own[] = {
      {callbacks, progress, verbose != 0}, {callbacks, history},        {callbacks, missing},
      {callbacks, constant_loss},          {callbacks, unused_weights}, {callbacks, trace}};

  train::FitPosition start{.feed = {.seed = feed_options.seed, .epoch = fit_options.initial_epoch},
                           .fits_begun = fits_begun};
  resumes_at.reset();
  callbacks.send(train::kTrainBegin);
  if (resumes_at) {
    start = *std::exchange(resumes_at, std::nullopt);
    fits_begun = start.fits_begun;
    feed::check_source(start.feed, *source, "fit");
    feed_options.seed = start.feed.seed;
    reseed_borrowed_arrays(*given, start.feed.seed);
    feed_options.resume_at(start.feed.position());
    callbacks.load_states(start.callbacks);  // One of them may have stopped the fit already.
    const std::int64_t last = loop.was_stopped() ? start.feed.epoch : fit_options.epochs;
    feed_options.epochs = std::max<std::int64_t>(0, last - start.feed.epoch);
  }
  feed_options.saves_state = callbacks.has_given();
  Logs logs;
  if (feed_options.epochs > 0) loop.open(feed_options, start);
  if (fit_options.initial_epoch == 0) ++fits_begun;
  for (std::int64_t epoch = start.feed.epoch; loop.is_open() && epoch < fit_options.epochs;
       ++epoch) {
    callbacks.send(train::kEpochBegin, epoch);
    run_epoch(loop, epoch, callbacks);
    require_batches(loop, fit_options);
    if (loop.steps_of_epoch() == 0) break;  // The source ran out exactly where an epoch ended.
    logs = loop.logs();
    if (validation && (epoch + 1) % fit_options.validation_freq == 0) {
      const Logs found =
          validate(*this, validation,
                   validation_options_of(fit_options, *validation, options.seed, caller.interrupt),
                   callbacks, caller.interrupt);
      for (const auto& [name, value] : found) logs.set("val_" + name, value);
    }
    callbacks.send(train::kEpochEnd, epoch, logs);
    callbacks.send(train::kEpochReport, epoch, loop.take_report());
    if (loop.was_stopped() || loop.has_run_out()) break;
  }
  train::overwrite_with_averages(*this);
  callbacks.send(train::kTrainEnd, logs);
  return history.take();
}

}  // namespace stoker
