// What evaluate(), predict() and the validation of a fit have in common.
#pragma once

#include <cstdint>
#include <memory>

#include "feed/ring/feed_options.h"
#include "report/progress_bar.h"
#include "stoker/history.h"
#include "stoker/model.h"
#include "train/callbacks/callback_list.h"
#include "train/loop/interrupt.h"

namespace stoker::train {

// Evaluates the model on one epoch of the source, and returns loss and metrics. Callbacks hear of
// it by their hooks for tests.
Logs run_evaluation(Model::Impl& model, const std::shared_ptr<Source>& source,
                    const feed::FeedOptions& options, CallbackList& callbacks,
                    const InterruptScope& interrupt);

template <class Options>
feed::FeedOptions feed_options_of(const Options& options, std::uint64_t seed,
                                  const InterruptScope& interrupt) {
  feed::FeedOptions feed{.epochs = 1,
                         .first_epoch = 0,
                         .saves_state = false,
                         .steps_per_epoch = options.steps,
                         .max_queue_size = options.max_queue_size,
                         .workers = options.workers,
                         .max_workers = options.max_workers,
                         .seed = seed,
                         .nan_policy = options.nan_policy,
                         .timeout_seconds = options.generator_timeout,
                         .warn = report::print_warning,
                         .should_stop = [&interrupt] { return interrupt.requested(); }};
  // A prediction has a row for each of the source's, and none is left out.
  if constexpr (requires { options.on_error; }) {
    feed.on_error = options.on_error;
    feed.max_failures = options.max_failures;
  }
  return feed;
}

template <class Options>
CallbackParams params_of(const Options& options, const Source& source) {
  return {.epochs = 1,
          .steps = options.steps ? options.steps : source.batches_per_epoch(),
          .verbose = options.verbose};
}

}  // namespace stoker::train
