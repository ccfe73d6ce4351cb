// Callbacks that change the learning rate.
#include <algorithm>
#include <iostream>
#include <utility>

#include "core/check.h"
#include "core/format.h"
#include "optimizers/optimizer.h"
#include "stoker/callback_state.h"
#include "stoker/callbacks.h"
#include "stoker/error.h"
#include "stoker/model.h"
#include "train/callbacks/has_learning_rate.h"
#include "train/model_access.h"

namespace stoker {

bool train::has_learning_rate(const Model& model) {
  const Model::Impl& impl = detail::ModelAccess::impl(model, "learning_rate");
  return impl.compiled && impl.compiled->options.optimizer.base()->members().empty();
}

ReduceLROnPlateau::ReduceLROnPlateau(ReduceLROnPlateauOptions options)
    : options_(std::move(options)),
      monitor_("ReduceLROnPlateau", options_.monitor, options_.mode, options_.min_delta) {
  const auto require = [](const char* name, auto value, check::Range range) {
    check::require("ReduceLROnPlateau", name, value, range);
  };
  require("a factor", options_.factor, check::half_open(0, 1));
  require("a patience", options_.patience, check::at_least(0));
  require("a cooldown", options_.cooldown, check::at_least(0));
  require("a min_lr", options_.min_lr, check::at_least(0));
}

void ReduceLROnPlateau::on_train_begin() {
  wait_ = 0;
  cooldown_ = 0;
  best_.reset();
  model().learning_rate();  // Throws before the first epoch where there is none to reduce.
}

void ReduceLROnPlateau::on_epoch_end(std::int64_t epoch, Logs& logs) {
  logs.set("learning_rate", model().learning_rate());
  const std::optional<double> current = monitor_.value(logs);
  if (!current) return;
  if (cooldown_ > 0) {
    --cooldown_;
    wait_ = 0;
  }
  if (monitor_.is_improvement(*current, best_, model())) {
    best_ = current;
    wait_ = 0;
  } else if (cooldown_ == 0 && ++wait_ >= options_.patience) {
    reduce(epoch);
  }
}

void ReduceLROnPlateau::reduce(std::int64_t epoch) {
  const double rate = model().learning_rate();
  if (!(rate > static_cast<double>(static_cast<float>(options_.min_lr)))) return;
  const double reduced = std::max(rate * options_.factor, options_.min_lr);
  model().set_learning_rate(reduced);
  if (options_.verbose > 0) {
    std::cout << "\nEpoch " << epoch + 1 << ": ReduceLROnPlateau reducing learning rate to "
              << reduced << ".\n";
  }
  cooldown_ = options_.cooldown;
  wait_ = 0;
}

void ReduceLROnPlateau::save_state(CallbackState& state) const {
  state.values.set("wait", wait_)
      .set("cooldown", cooldown_)
      .set("best", detail::saved_number(best_));
}

void ReduceLROnPlateau::load_state(const CallbackState& state) {
  wait_ = state.values["wait"].integer();
  cooldown_ = state.values["cooldown"].integer();
  best_ = detail::loaded_number(state.values["best"]);
}

LearningRateScheduler::LearningRateScheduler(
    detail::Function<double(std::int64_t, double)> schedule, LearningRateSchedulerOptions options)
    : schedule_(std::move(schedule)), options_(options) {
  if (!schedule_) {
    throw ValueError(
        "LearningRateScheduler: expected a function of epoch and rate, received an "
        "empty one");
  }
}

void LearningRateScheduler::on_epoch_begin(std::int64_t epoch) {
  const double rate = schedule_(epoch, model().learning_rate());
  model().set_learning_rate(rate);
  if (options_.verbose > 0) {
    std::cout << "\nEpoch " << epoch + 1 << ": LearningRateScheduler setting learning rate to "
              << rate << ".\n";
  }
}

void LearningRateScheduler::on_epoch_end(std::int64_t, Logs& logs) {
  logs.set("learning_rate", model().learning_rate());
}

}  // namespace stoker
