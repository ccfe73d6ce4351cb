// Evaluation.
#include <utility>

#include "stoker/callbacks.h"
#include "stoker/error.h"
#include "train/callbacks/missing_batches.h"
#include "train/loop/loop.h"
#include "train/loop/validation.h"

namespace stoker {

using train::CallbackList;
using train::Loop;
using train::Mode;

namespace train {

Logs run_evaluation(Model::Impl& model, const std::shared_ptr<Source>& source,
                    const feed::FeedOptions& options, CallbackList& callbacks,
                    const InterruptScope& interrupt) {
  Loop loop(model, Mode::evaluate, "evaluate", source, callbacks, interrupt);
  ShortPass short_pass(loop, options);
  const CallbackList::Own own(callbacks, short_pass);
  callbacks.send(kTestBegin);
  loop.open(options);
  loop.run_epoch(0);
  Logs logs = loop.logs();
  callbacks.send(kTestEnd, logs);
  return logs;
}

}  // namespace train

Logs Model::Impl::evaluate(const std::shared_ptr<Source>& source,
                           const EvaluateOptions& evaluate_options, const train::Caller& caller) {
  require_compiled("evaluate");
  train::require_source(source, "evaluate");
  train::require_end(*source, evaluate_options.steps, "evaluate", "steps");
  CallbackList callbacks(caller.model, "evaluate", train::callbacks_of(evaluate_options),
                         train::params_of(evaluate_options, *source), *use);
  const int verbose = callbacks.has_progress_bar() ? 0 : evaluate_options.verbose;
  ProgbarLogger progress(verbose);
  const CallbackList::Own own(callbacks, progress, verbose != 0);
  return train::run_evaluation(
      *this, source, train::feed_options_of(evaluate_options, options.seed, caller.interrupt),
      callbacks, caller.interrupt);
}

}  // namespace stoker
