#include "train/callbacks/progress.h"

#include "core/timeline.h"

namespace stoker::train {

void Progress::update(std::int64_t step, LogsView logs) {
  const std::int64_t now = now_ns();
  if (bar_.wants_update(now)) bar_.update(step + 1, logs, now);
}

void Progress::on_epoch_begin(std::int64_t epoch) {
  bar_.begin_epoch(epoch, params().epochs, params().steps);
  steps_ = 0;
}

void Progress::on_train_batch_end(std::int64_t step, LogsView) { steps_ = step + 1; }

void Progress::on_train_progress(std::int64_t step, LogsView logs) { update(step, logs); }

void Progress::on_epoch_end(std::int64_t, Logs& logs) { bar_.finish(steps_, logs, now_ns()); }

void Progress::on_epoch_report(std::int64_t, const FeedReport& report) { bar_.note(report); }

void Progress::on_test_begin() {
  if (is_fit_) return;
  bar_.begin(params().steps);
  steps_ = 0;
}

void Progress::on_test_batch_end(std::int64_t step, LogsView) {
  if (!is_fit_) steps_ = step + 1;
}

void Progress::on_test_progress(std::int64_t step, LogsView logs) {
  if (!is_fit_) update(step, logs);
}

void Progress::on_test_end(const Logs& logs) {
  if (!is_fit_) bar_.finish(steps_, logs, now_ns());
}

void Progress::on_predict_begin() {
  bar_.begin(params().steps);
  steps_ = 0;
}

void Progress::on_predict_batch_end(std::int64_t step, PredictionsView) {
  steps_ = step + 1;
  const std::int64_t now = now_ns();
  if (bar_.wants_update(now)) bar_.update(steps_, {}, now);
}

void Progress::on_predict_end() { bar_.finish(steps_, {}, now_ns()); }

}  // namespace stoker::train
