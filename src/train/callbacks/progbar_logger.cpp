#include <unistd.h>

#include <iostream>

#include "core/timeline.h"
#include "report/progress_bar.h"
#include "stoker/callbacks.h"

namespace stoker {

struct ProgbarLogger::Bar {
  explicit Bar(int verbose) : bar(std::cout, report::terminal_at(STDOUT_FILENO), verbose) {}
  report::ProgressBar bar;
};

ProgbarLogger::ProgbarLogger(int verbose) : bar_(std::make_unique<Bar>(verbose)) {}
ProgbarLogger::ProgbarLogger(ProgbarLogger&&) noexcept = default;
ProgbarLogger::~ProgbarLogger() = default;

void ProgbarLogger::begin() {
  bar_->bar.begin(params().steps);
  steps_ = 0;
}

void ProgbarLogger::update(std::int64_t step, LogsView logs) {
  const std::int64_t now = now_ns();
  if (bar_->bar.wants_update(now)) bar_->bar.update(step + 1, logs, now);
}

void ProgbarLogger::on_epoch_begin(std::int64_t epoch) {
  bar_->bar.begin_epoch(epoch, params().epochs, params().steps);
  steps_ = 0;
}

void ProgbarLogger::on_train_batch_end(std::int64_t step, LogsView) { steps_ = step + 1; }

void ProgbarLogger::on_train_progress(std::int64_t step, LogsView logs) { update(step, logs); }

void ProgbarLogger::on_epoch_end(std::int64_t, Logs& logs) {
  bar_->bar.finish(steps_, logs, now_ns());
}

void ProgbarLogger::on_epoch_report(std::int64_t, const FeedReport& report) {
  bar_->bar.note(report);
}

void ProgbarLogger::on_test_begin() {
  if (is_in_fit()) return;
  begin();
}

void ProgbarLogger::on_test_batch_end(std::int64_t step, LogsView) {
  if (!is_in_fit()) steps_ = step + 1;
}

void ProgbarLogger::on_test_progress(std::int64_t step, LogsView logs) {
  if (!is_in_fit()) update(step, logs);
}

void ProgbarLogger::on_test_end(const Logs& logs) {
  if (!is_in_fit()) bar_->bar.finish(steps_, logs, now_ns());
}

void ProgbarLogger::on_predict_begin() { begin(); }

void ProgbarLogger::on_predict_batch_end(std::int64_t step, PredictionsView) {
  steps_ = step + 1;
  const std::int64_t now = now_ns();
  if (bar_->bar.wants_update(now)) bar_->bar.update(steps_, {}, now);
}

void ProgbarLogger::on_predict_end() { bar_->bar.finish(steps_, {}, now_ns()); }

}  // namespace stoker
