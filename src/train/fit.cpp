// The training loop.
#include <iostream>

#include "core/format.h"
#include "core/timeline.h"
#include "report/progress_bar.h"
#include "stoker/array_source.h"
#include "stoker/error.h"
#include "train/model_impl.h"

namespace stoker {

using train::Mode;
using train::StepRunner;

namespace {

double seconds(std::int64_t ns) { return static_cast<double>(ns) * 1e-9; }

void check_options(const FitOptions& options) {
  const auto require_positive = [](std::int64_t value, const char* name) {
    if (value < 1) {
      throw ValueError(format("fit: expected ", name, " of at least 1, received ", value));
    }
  };
  require_positive(options.epochs, "epochs");
  require_positive(options.max_queue_size, "max_queue_size");
  require_positive(options.validation_freq, "validation_freq");
  if (options.workers != AUTOTUNE) require_positive(options.workers, "workers");
  if (options.initial_epoch < 0 || options.initial_epoch > options.epochs) {
    throw ValueError(format("fit: initial_epoch ", options.initial_epoch,
                            " does not lie in [0, epochs = ", options.epochs, "]"));
  }
  if (options.validation_data && options.validation_generator) {
    throw ValueError("fit: give validation_data or validation_generator, not both");
  }
}

std::shared_ptr<Source> validation_source(const FitOptions& options) {
  if (options.validation_generator) return options.validation_generator->source();
  if (!options.validation_data) return nullptr;
  const ValidationData& data = *options.validation_data;
  const ArrayOptions arrays{.batch_size = options.batch_size};
  return data.sample_weight.empty()
             ? array_source(data.x, data.y, arrays).source()
             : array_source(data.x, data.y, data.sample_weight, arrays).source();
}

void warn_ran_out(std::int64_t batches, std::int64_t wanted) {
  std::cerr << "Warning: the source ran out of data after " << batches
            << " batches; steps_per_epoch * epochs asks for " << wanted
            << ". Training stops here.\n";
}

// One epoch's way through the feed.
struct EpochResult {
  std::int64_t steps = 0;
  double computed = 0.0;
};

EpochResult run_epoch(Model::Impl& model, feed::Pipeline& pipeline, StepRunner& runner,
                      report::ProgressBar& bar, std::int64_t epoch) {
  EpochResult result;
  train::StepPlace place{epoch, 0, model.state.read_scalars().step};
  while (const auto batch = pipeline.next()) {
    const std::int64_t begin = now_ns();
    place.step = result.steps;
    runner.run(*batch, pipeline.ring(), place);
    pipeline.consumed(*batch);
    ++result.steps;
    const std::int64_t end = now_ns();
    result.computed += seconds(end - begin);
    if (bar.wants_update(end)) {
      runner.check(place);
      bar.update(result.steps, model.read_logs(), end);
    }
  }
  runner.check(place);
  return result;
}

}  // namespace

History Model::Impl::fit(const std::shared_ptr<Source>& source, const FitOptions& fit_options) {
  require_compiled("fit");
  check_options(fit_options);
  train::require_end(*source, fit_options.steps_per_epoch, "fit", "steps_per_epoch");
  const auto validation = validation_source(fit_options);
  if (validation) {
    train::require_end(*validation, fit_options.validation_steps, "fit", "validation_steps");
  }

  History history;
  const std::int64_t epochs = fit_options.epochs - fit_options.initial_epoch;
  if (epochs == 0) return history;
  // Shapes are checked, and the plan is made, before the source is asked for anything.
  const feed::SlotLayout layout(source->spec());
  StepRunner runner(*this, Mode::train, source->spec(), layout.offsets);
  runner.prepare();
  feed::Pipeline pipeline(source,
                          {.epochs = epochs,
                           .first_epoch = fit_options.initial_epoch,
                           .steps_per_epoch = fit_options.steps_per_epoch,
                           .max_queue_size = fit_options.max_queue_size,
                           .workers = fit_options.workers,
                           .seed = options.seed},
                          state.device(), state.stream());
  report::ProgressBar bar = report::standard_progress_bar(fit_options.verbose);
  std::optional<std::int64_t> steps = fit_options.steps_per_epoch;
  if (!steps) steps = source->batches_per_epoch();

  std::int64_t batches = 0;
  for (std::int64_t epoch = fit_options.initial_epoch; epoch < fit_options.epochs; ++epoch) {
    bar.begin_epoch(epoch, fit_options.epochs, steps);
    state.reset_metrics();
    const std::int64_t begin = now_ns();
    const EpochResult result = run_epoch(*this, pipeline, runner, bar, epoch);
    batches += result.steps;
    const bool ran_out = pipeline.feed().ran_out();
    if (ran_out) warn_ran_out(batches, *fit_options.steps_per_epoch * epochs);
    if (result.steps == 0) break;  // it ran out exactly where an epoch ended

    Logs logs = read_logs();
    if (validation && (epoch + 1) % fit_options.validation_freq == 0) {
      const Logs found = evaluate(validation, {.steps = fit_options.validation_steps,
                                               .verbose = 0,
                                               .max_queue_size = fit_options.max_queue_size,
                                               .workers = fit_options.workers});
      for (const auto& [key, value] : found) logs.set("val_" + key, value);
    }
    const std::int64_t end = now_ns();
    bar.finish(result.steps, logs, end);

    FeedReport report = pipeline.feed().take_report();
    report.wall = seconds(now_ns() - begin);
    report.computed = result.computed;
    report.other =
        std::max(0.0, report.wall - report.computed - report.waited_for_generator);
    history.feed += report;
    history.feed_by_epoch.push_back(report);
    history.epoch.push_back(epoch);
    for (const auto& [key, value] : logs) history.history[key].push_back(value);
    if (ran_out) break;
  }
  return history;
}

}  // namespace stoker
