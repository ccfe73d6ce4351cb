// The live view of a fit (verbose 3): the whole terminal, with curves, the stages of the feed, and
// the verdict so far.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <thread>

#include "report/live_screen.h"
#include "report/progress_bar.h"
#include "report/terminal_screen.h"
#include "stoker/callback.h"
#include "train/callbacks/stage_shares.h"

namespace stoker::train {

class Loop;

// The thread that trains only stores numbers, about ten times a second, and asks for the verdict so
// far once a second. A thread of the view's own draws, so that the view also lives while the
// generator hangs.
class LiveView final : public Callback {
 public:
  // Returns a view on standard output, or null, and what fit's `verbose` is then instead: 2 where
  // there is no terminal, and 1 on one that is too small. `guards_interrupt` is TerminalGuard's.
  static std::unique_ptr<LiveView> open(Loop& loop, const std::string& model, bool guards_interrupt,
                                        int& instead);
  // Gives the terminal back, and prints what the program printed meanwhile, a summary of the epochs
  // and the verdict.
  ~LiveView() override;

  void on_epoch_begin(std::int64_t epoch) override;
  void on_train_progress(std::int64_t step, LogsView logs) override;
  void on_test_begin() override;
  void on_test_progress(std::int64_t step, LogsView logs) override;
  void on_test_end(const Logs& logs) override;
  void on_epoch_end(std::int64_t epoch, Logs& logs) override;
  void on_epoch_report(std::int64_t epoch, const FeedReport& report) override;

 private:
  // What the thread that trains tells. The mutex guards it.
  struct Told {
    std::int64_t epoch = 0;
    std::int64_t epochs = 1;
    std::int64_t step = 0;
    std::optional<std::int64_t> steps{};
    std::int64_t epoch_begin_ns = 0;
    bool is_over = false;  // whether the epoch's steps are done
    bool is_validating = false;
    std::int64_t validation_step = 0;
    double epoch_seconds = 0.0;  // of the last epoch, with its validation
    Logs logs;
    Logs validation;
    report::Curve training_loss{};
    report::Curve validation_loss{};
    std::shared_ptr<const FeedReport> so_far{};
    const feed::Feed* feed = nullptr;  // null before it is open
  };

  LiveView(Loop& loop, const std::string& model, std::unique_ptr<report::TerminalScreen> screen,
           const report::Terminal& terminal);
  void summarize();
  void tell_loss(std::int64_t step, double mean);

  // ---- On the view's thread ----
  void run();
  void take_keys();
  void show();
  const report::LiveState& state_at(std::int64_t now_ns);

  Loop& loop_;
  const report::Terminal terminal_;
  std::unique_ptr<report::TerminalScreen> screen_;

  std::mutex mutex_;
  Told told_;
  // Of the thread that trains.
  std::int64_t steps_before_ = 0;  // of the epochs that are over
  std::int64_t loss_step_ = 0;     // the step and the running mean of the loss's last point
  double loss_mean_ = 0.0;
  std::int64_t next_report_ns_ = 0;
  std::ostringstream epoch_text_;
  report::ProgressBar epoch_line_;
  std::deque<std::string> epochs_;  // the lines of the last epochs
  std::int64_t epochs_left_out_ = 0;
  FeedReport all_;

  // Of the view's thread.
  StageShares shares_;
  report::LiveState state_;
  std::shared_ptr<const FeedReport> judged_;
  bool is_stopping_ = false;

  int wake_ = -1;  // an eventfd that ends the thread
  std::thread thread_;
};

}  // namespace stoker::train
