#include <iostream>
#include <utility>

#include "core/check.h"
#include "stoker/callback_state.h"
#include "stoker/callbacks.h"
#include "stoker/model.h"

namespace stoker {

EarlyStopping::EarlyStopping(EarlyStoppingOptions options)
    : options_(std::move(options)),
      monitor_("EarlyStopping", options_.monitor, options_.mode, options_.min_delta) {
  check::require("EarlyStopping", "a patience", options_.patience, check::at_least(0));
  check::require("EarlyStopping", "a start_from_epoch", options_.start_from_epoch,
                 check::at_least(0));
}

void EarlyStopping::on_train_begin() {
  wait_ = 0;
  stopped_epoch_ = 0;
  best_epoch_ = 0;
  best_.reset();
  best_weights_.clear();
}

void EarlyStopping::on_epoch_end(std::int64_t epoch, Logs& logs) {
  const std::optional<double> current = monitor_.value(logs);
  if (!current || epoch < options_.start_from_epoch) return;
  const auto keep = [&] {
    best_epoch_ = epoch;
    if (options_.restore_best_weights) best_weights_ = model().get_weights();
  };
  // Weights that never were the best are better than none.
  if (options_.restore_best_weights && best_weights_.empty()) keep();
  ++wait_;
  if (monitor_.is_improvement(*current, best_, model())) {
    best_ = current;
    keep();
    // Waiting begins anew only where the baseline is beaten too.
    if (monitor_.is_improvement(*current, options_.baseline, model())) wait_ = 0;
    return;
  }
  if (wait_ < options_.patience || epoch == 0) return;
  stopped_epoch_ = epoch;
  model().stop_training();
}

void EarlyStopping::on_train_end(const Logs&) {
  if (stopped_epoch_ > 0 && options_.verbose > 0) {
    std::cout << "Epoch " << stopped_epoch_ + 1 << ": early stopping\n";
  }
  if (best_weights_.empty()) return;
  if (options_.verbose > 0) {
    std::cout << "Restoring model weights from the end of the best epoch: " << best_epoch_ + 1
              << ".\n";
  }
  model().set_weights(best_weights_);
}

void EarlyStopping::save_state(CallbackState& state) const {
  state.values.set("wait", wait_)
      .set("stopped_epoch", stopped_epoch_)
      .set("best_epoch", best_epoch_)
      .set("best", detail::saved_number(best_));
  state.tensors = best_weights_;
}

// A fit that this callback had stopped has nothing more to do.
void EarlyStopping::load_state(const CallbackState& state) {
  wait_ = state.values["wait"].integer();
  stopped_epoch_ = state.values["stopped_epoch"].integer();
  best_epoch_ = state.values["best_epoch"].integer();
  best_ = detail::loaded_number(state.values["best"]);
  best_weights_ = state.tensors;
  if (stopped_epoch_ > 0) model().stop_training();
}

}  // namespace stoker
