// The report of a training as one page of HTML, which opens in any browser and needs no network.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "stoker/callback.h"
#include "stoker/model.h"

namespace stoker {

struct ReportOptions {
  std::string title{};  // Where it is empty, the title is the model's name.
  // What a classifier is judged on when the training is over: its confusion matrix and its worst
  // mistakes. A model is one of these if it has a cross-entropy loss. Of any model, the share of
  // units is told whose relus are 0 for all of these rows. Of a source that never ends,
  // the first 10,000 rows are taken.
  Validation validation{};
  std::vector<std::string> class_names{};  // In the order of the labels.
  std::int64_t worst = 16;                 // So many of the mistakes are shown.
};

// Writes the page when the fit ends, and now and then before that. It has the curves of losses and
// metrics, what the device waited for and what to change, single batches on their way from the
// generator to their steps, the model, its memory and the settings.
//   model.fit(x, y, {.epochs = 10, .callbacks = {Report("run.html", {.validation = {vx, vy}})}});
//
// A fit that fails or is interrupted has a page too, of what there was until then. Where the page
// can't be written, the training goes on, with one warning on standard error. It costs no step
// anything on the device. docs/report.md shows one.
class Report : public Callback {
 public:
  // Throws ValueError for a negative `worst`.
  explicit Report(std::string path, ReportOptions options = {});
  Report(Report&&) noexcept;
  Report& operator=(Report&&) noexcept;
  ~Report() override;

  std::string name() const override { return "Report"; }
  void on_train_begin() override;
  void on_train_end(const Logs& logs) override;
  void on_epoch_begin(std::int64_t epoch) override;
  void on_epoch_end(std::int64_t epoch, Logs& logs) override;
  void on_train_progress(std::int64_t step, LogsView logs) override;
  void on_epoch_report(std::int64_t epoch, const FeedReport& report) override;
  bool on_train_failure(const Error& failure) override;

 private:
  struct Run;

  std::string path_;
  ReportOptions options_;
  std::unique_ptr<Run> run_;
};

}  // namespace stoker
