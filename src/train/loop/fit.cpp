// The training loop.
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "core/check.h"
#include "core/format.h"
#include "core/timeline.h"
#include "data/array_source.h"
#include "feed/upload/class_weights.h"
#include "report/progress_bar.h"
#include "report/trace.h"
#include "stoker/array_source.h"
#include "stoker/error.h"
#include "stoker/random.h"
#include "train/loop/async_readback.h"
#include "train/loop/interrupt.h"
#include "train/model_impl.h"

namespace stoker {

using train::Mode;
using train::StepRunner;

namespace {

// The interval, in nanoseconds, at which the host reads back what the device has recorded.
constexpr std::int64_t kReadbackInterval = 100'000'000;
// The number of stamps that a timeline keeps of each thread.
constexpr std::size_t kStamps = 1024;
constexpr std::size_t kTracedStamps = 65536;

double seconds(std::int64_t ns) { return static_cast<double>(ns) * 1e-9; }

void check_options(const FitOptions& options) {
  const auto require = [](const char* name, auto value, check::Range range) {
    check::require("fit", name, value, range);
  };
  require("epochs", options.epochs, check::at_least(1));
  require("verbose", options.verbose, check::closed(0, 2));
  require("batch_size", options.batch_size, check::at_least(1));
  require("validation_split", options.validation_split, check::half_open(0, 1));
  require("validation_freq", options.validation_freq, check::at_least(1));
  if (options.max_queue_size != AUTOTUNE) {
    require("max_queue_size", options.max_queue_size, check::at_least(1));
  }
  if (options.workers != AUTOTUNE) require("workers", options.workers, check::at_least(1));
  require("initial_epoch", options.initial_epoch,
          check::closed(0, static_cast<double>(options.epochs)));
  const int validations = (options.validation_data ? 1 : 0) +
                          (options.validation_generator ? 1 : 0) +
                          (options.validation_split != 0.0 ? 1 : 0);
  if (validations > 1) {
    throw ValueError("fit: give one of validation_split, validation_data and validation_generator");
  }
}

void warn_ran_out(std::int64_t batches, std::optional<std::int64_t> steps, std::int64_t epoch,
                  const FitOptions& options) {
  std::cerr << "Warning: the source ran out of data after " << batches << " batches";
  if (steps) {
    std::cerr << "; steps_per_epoch * epochs asks for "
              << *steps * (options.epochs - options.initial_epoch);
  } else {
    std::cerr << ", in epoch " << epoch + 1 << " of " << options.epochs;
  }
  std::cerr << ". Training stops here.\n";
}

void warn_short_epoch(std::int64_t epoch, std::int64_t batches, std::int64_t wanted) {
  std::cerr << "Warning: epoch " << epoch + 1 << " had " << batches << " batches of the " << wanted
            << " that steps_per_epoch asks for: the source's pass through its data "
            << "ended. The next epoch begins a new pass.\n";
}

// Runs one epoch and returns the number of its steps.
std::int64_t run_epoch(Model::Impl& model, feed::Pipeline& pipeline, StepRunner& runner,
                       train::AsyncReadback& readback, report::ProgressBar& bar,
                       const train::InterruptScope& interrupt, std::int64_t epoch) {
  std::int64_t steps = 0;
  train::StepPlace place{epoch, 0, model.state.read_scalars().step};
  std::int64_t next_readback = now_ns() + kReadbackInterval;
  while (const auto batch = pipeline.next()) {
    place.step = steps;
    runner.run(*batch, pipeline.ring(), place);
    pipeline.consumed(*batch);
    ++steps;
    if (interrupt.requested()) break;
    const std::int64_t end = now_ns();
    if (!readback.is_pending()) {
      if (end < next_readback) continue;
      next_readback = end + kReadbackInterval;
      readback.request(steps);
    }
    if (!readback.has_arrived()) continue;
    runner.check(place, readback.scalars());
    if (bar.wants_update(end)) bar.update(readback.steps(), model.logs_of(readback.metrics()), end);
  }
  runner.check(place);
  // These copies are of no use to the next epoch.
  if (readback.is_pending()) readback.has_arrived();
  if (interrupt.requested()) {
    throw Interrupted(format("fit: interrupted after step ", steps, " of epoch ", epoch + 1,
                             "; the weights are those after it"));
  }
  return steps;
}

double process_cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

void add_feed_keys(std::map<std::string, std::vector<double>>& history, const FeedReport& report) {
  history["feed_wall"].push_back(report.wall);
  history["feed_waited_for_generator"].push_back(report.waited_for_generator);
  history["feed_waited_for_upload"].push_back(report.waited_for_upload);
  history["feed_waited_for_launch"].push_back(report.waited_for_launch);
  history["feed_computed"].push_back(report.computed);
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
                                 const train::InterruptScope& interrupt) {
  check_options(fit_options);
  const train::Arrays given = arrays(x, y, fit_options.sample_weight, "fit");
  const auto rows_of = [&](ArrayOptions options, std::int64_t begin = 0, std::int64_t end = -1) {
    return borrow_arrays(given.inputs, given.targets, given.sample_weights, options, begin, end);
  };
  const ArrayOptions training{.batch_size = fit_options.batch_size,
                              .shuffle = fit_options.shuffle,
                              .seed = seed_of(fit_options)};
  if (fit_options.validation_split == 0.0) return fit(rows_of(training), fit_options, interrupt);
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
  return fit(rows_of(training, 0, split), fit_options, interrupt,
             rows_of({.batch_size = fit_options.batch_size}, split, rows));
}

History Model::Impl::fit(std::shared_ptr<Source> source, const FitOptions& fit_options,
                         const train::InterruptScope& interrupt,
                         std::shared_ptr<Source> validation) {
  require_compiled("fit");
  check_options(fit_options);
  train::require_source(source, "fit");
  if (fit_options.validation_generator) {
    train::require_source(fit_options.validation_generator->source(), "fit, validation_generator");
  }
  train::require_end(*source, fit_options.steps_per_epoch, "fit", "steps_per_epoch");
  train::Arrays validation_arrays;  // The validation source borrows these arrays.
  if (fit_options.validation_generator) validation = fit_options.validation_generator->source();
  if (fit_options.validation_data) {
    const ValidationData& data = *fit_options.validation_data;
    if (data.x.empty() || data.y.empty()) {
      throw ValueError(format("fit, validation_data: expected x and y, received no ",
                              data.x.empty() ? "x" : "y"));
    }
    validation_arrays = arrays(data.x, data.y, data.sample_weight, "fit, validation_data");
    validation =
        borrow_arrays(validation_arrays.inputs, validation_arrays.targets,
                      validation_arrays.sample_weights, {.batch_size = fit_options.batch_size});
  }
  if (validation) {
    train::require_end(*validation, fit_options.validation_steps, "fit", "validation_steps");
    if (&validation->innermost() == &source->innermost() && !source->pure()) {
      throw ValueError(
          "fit: the training's generator is the validation's too, and would be called by two "
          "threads at a time: give validation one of its own, or say pure(f) if that is safe");
    }
  }

  if (!fit_options.class_weight.empty()) {
    source = feed::weigh_classes(std::move(source), fit_options.class_weight);
  }

  History history;
  const std::int64_t epochs = fit_options.epochs - fit_options.initial_epoch;
  if (epochs == 0) return history;
  // Making the plan checks shapes, which happens before the source is asked for anything.
  const feed::SlotLayout layout(source->spec());
  StepRunner runner(*this, Mode::train, source->spec(), layout.offsets);
  const train::Plan& plan = runner.prepare();
  if (validation) {
    // Validation is planned now too, so that an error of shapes does not come to light only after
    // an epoch.
    const feed::SlotLayout slots(validation->spec());
    StepRunner(*this, Mode::evaluate, validation->spec(), slots.offsets).prepare();
  }
  const std::size_t stamps = fit_options.trace.empty() ? kStamps : kTracedStamps;
  feed::Pipeline pipeline =
      open_feed(plan, source,
                {.epochs = epochs,
                 .first_epoch = fit_options.initial_epoch,
                 .steps_per_epoch = fit_options.steps_per_epoch,
                 .max_queue_size = fit_options.max_queue_size,
                 .workers = fit_options.workers,
                 .max_workers = fit_options.max_workers,
                 .seed = seed_of(fit_options),
                 .shuffle = fit_options.shuffle,
                 .nan_policy = fit_options.nan_policy,
                 .timeout_seconds = fit_options.generator_timeout,
                 .stamps_per_track = stamps,
                 .should_stop = [&interrupt] { return interrupt.requested(); }});
  if (fit_options.initial_epoch == 0) ++fits_begun;
  train::AsyncReadback readback(state);
  report::ProgressBar bar = report::standard_progress_bar(fit_options.verbose);
  std::optional<std::int64_t> steps = fit_options.steps_per_epoch;
  if (!steps) steps = source->batches_per_epoch();

  std::int64_t batches = 0;
  bool warned = false;
  for (std::int64_t epoch = fit_options.initial_epoch; epoch < fit_options.epochs; ++epoch) {
    bar.begin_epoch(epoch, fit_options.epochs, steps);
    state.reset_metrics();
    const std::int64_t begin = now_ns();
    const double cpu_begin = process_cpu_seconds();
    const std::int64_t steps_run =
        run_epoch(*this, pipeline, runner, readback, bar, interrupt, epoch);
    const double cpu = process_cpu_seconds() - cpu_begin;
    batches += steps_run;
    const bool ran_out = pipeline.feed().ran_out();
    if (ran_out) warn_ran_out(batches, fit_options.steps_per_epoch, epoch, fit_options);
    const bool skipped = fit_options.nan_policy == NanPolicy::skip;
    if (!ran_out && !warned && !skipped && fit_options.steps_per_epoch &&
        steps_run < *fit_options.steps_per_epoch) {
      warned = true;  // The warning comes once in a fit, because every pass would repeat it.
      warn_short_epoch(epoch, steps_run, *fit_options.steps_per_epoch);
    }
    if (steps_run == 0 && skipped && !ran_out) {
      throw DataError(format("fit: every batch of epoch ", epoch + 1,
                             " held a NaN and was skipped; nothing was trained in it"));
    }
    if (steps_run == 0) break;  // The source ran out exactly where an epoch ended.

    Logs logs = read_logs();
    if (validation && (epoch + 1) % fit_options.validation_freq == 0) {
      const Logs found = evaluate(validation,
                                  {.steps = fit_options.validation_steps,
                                   .verbose = 0,
                                   .max_queue_size = fit_options.max_queue_size,
                                   // An impure source gets one worker here, without the warning,
                                   // which would come in every epoch.
                                   .workers = validation->pure() ? fit_options.workers : 1,
                                   .max_workers = fit_options.max_workers,
                                   .nan_policy = fit_options.nan_policy,
                                   .generator_timeout = fit_options.generator_timeout},
                                  interrupt);
      for (const auto& [key, value] : found) logs.set("val_" + key, value);
    }
    const std::int64_t end = now_ns();
    bar.finish(steps_run, logs, end);

    FeedReport report = pipeline.take_report();
    report.wall = seconds(now_ns() - begin);
    report.other = std::max(0.0, report.wall - report.computed - report.waited_for_generator -
                                     report.waited_for_upload - report.waited_for_launch);
    report.cpu = cpu;
    report.cores = static_cast<double>(std::max(1U, std::thread::hardware_concurrency()));
    if (state.device().reads_host_memory()) {
      report.step_cores =
          options.threads > 0 ? std::min<double>(options.threads, report.cores) : report.cores;
    }
    bar.note(report);
    add_feed_keys(history.history, report);
    history.feed += report;
    history.feed_by_epoch.push_back(report);
    history.epoch.push_back(epoch);
    for (const auto& [key, value] : logs) history.history[key].push_back(value);
    if (ran_out) break;
  }
  if (!fit_options.trace.empty()) {
    const feed::Feed& feed = pipeline.feed();
    report::write_trace(feed.timeline(), feed.consumer_track(), fit_options.trace);
  }
  return history;
}

}  // namespace stoker
