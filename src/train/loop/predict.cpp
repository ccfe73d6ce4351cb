// Prediction.
#include <utility>

#include "core/format.h"
#include "stoker/callbacks.h"
#include "stoker/error.h"
#include "train/callbacks/missing_batches.h"
#include "train/loop/collected.h"
#include "train/loop/loop.h"
#include "train/loop/validation.h"

namespace stoker {

using train::CallbackList;
using train::Mode;

void Model::Impl::require_one_output(const char* what) const {
  const std::vector<std::string>& names = network.topology().output_names();
  if (names.size() == 1) return;
  throw ValueError(format("Model \"", name, "\": ", what,
                          ": expected a model of one output, this "
                          "one has ",
                          names.size(), "; ", what, "_outputs() gives them all"));
}

std::vector<Tensor> Model::Impl::predict(const std::shared_ptr<Source>& source,
                                         const PredictOptions& predict_options,
                                         const train::Caller& caller) {
  train::require_source(source, "predict");
  if (predict_options.nan_policy == NanPolicy::skip) {
    throw ValueError(
        "predict: nan_policy skip would leave out rows, so that outputs stand beside "
        "other inputs than theirs; expected stop, warn or allow");
  }
  train::require_end(*source, predict_options.steps, "predict", "steps");
  const feed::FeedOptions feed_options =
      train::feed_options_of(predict_options, options.seed, caller.interrupt);
  CallbackList callbacks(caller.model, "predict", train::callbacks_of(predict_options),
                         train::params_of(predict_options, *source), *use);
  const int verbose = callbacks.has_progress_bar() ? 0 : predict_options.verbose;
  ProgbarLogger progress(verbose);
  const CallbackList::Own first(callbacks, progress, verbose != 0);
  train::Collected outputs(network.topology());
  train::Loop loop(*this, Mode::predict, "predict", source, callbacks, caller.interrupt, &outputs);
  train::ShortPass short_pass(loop, feed_options);
  const CallbackList::Own second(callbacks, short_pass);
  callbacks.send(train::kPredictBegin);
  loop.open(feed_options);
  loop.run_epoch(0);
  callbacks.send(train::kPredictEnd);
  return outputs.tensors();
}

}  // namespace stoker
