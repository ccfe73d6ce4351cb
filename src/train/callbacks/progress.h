// The progress bar as a callback.
#pragma once

#include <cstdint>

#include "report/progress_bar.h"
#include "stoker/callback.h"

namespace stoker::train {

// Draws the bar of a fit, or of an evaluation or a prediction by itself. As in Keras the validation
// of a fit has none of its own.
class Progress final : public Callback {
 public:
  explicit Progress(int verbose) : bar_(report::standard_progress_bar(verbose)) {}

  void on_train_begin() override { is_fit_ = true; }
  void on_epoch_begin(std::int64_t epoch) override;
  void on_train_batch_end(std::int64_t step, LogsView logs) override;
  void on_train_progress(std::int64_t step, LogsView logs) override;
  void on_epoch_end(std::int64_t epoch, Logs& logs) override;
  void on_epoch_report(std::int64_t epoch, const FeedReport& report) override;

  void on_test_begin() override;
  void on_test_batch_end(std::int64_t step, LogsView logs) override;
  void on_test_progress(std::int64_t step, LogsView logs) override;
  void on_test_end(const Logs& logs) override;

  void on_predict_begin() override;
  void on_predict_batch_end(std::int64_t step, PredictionsView outputs) override;
  void on_predict_end() override;

 private:
  void update(std::int64_t step, LogsView logs);

  report::ProgressBar bar_;
  bool is_fit_ = false;
  std::int64_t steps_ = 0;  // Steps of this epoch that were run.
};

}  // namespace stoker::train
