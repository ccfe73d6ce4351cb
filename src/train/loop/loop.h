// The loop that fit, evaluate and predict have in common: batches come from a feed, each of them
// runs a step, and callbacks hear of it.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <vector>

#include "feed/upload/pipeline.h"
#include "stoker/callback.h"
#include "stoker/history.h"
#include "train/callbacks/callback_list.h"
#include "train/loop/async_readback.h"
#include "train/loop/position.h"
#include "train/loop/run_clock.h"
#include "train/model_impl.h"
#include "train/runtime/step_runner.h"

namespace stoker::train {

class Collected;
class InterruptScope;

// The maker of a call: its model, and the scope in which it hears of Ctrl-C.
struct Caller {
  Model& model;
  const InterruptScope& interrupt;
  bool is_measurement = false;  // A measurement gives no warnings: they are its result.
};

class Loop final : private detail::LogsSource {
 public:
  // Makes the plan for whole batches, which checks shapes before the source is asked for anything.
  // `what` is the call's name, for messages. A loop that predicts appends the outputs to `outputs`.
  Loop(Model::Impl& model, Mode mode, const char* what, std::shared_ptr<Source> source,
       CallbackList& callbacks, const InterruptScope& interrupt, Collected* outputs = nullptr);
  // When an exception ends the loop, an error that its steps have recorded is forgotten, since the
  // next call would take it for its own.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Opens the feed, which begins to ask the source for batches. A fit begins, or goes on, at
  // `start`, which `options` have as well.
  void open(const feed::FeedOptions& options, const FitPosition& start = {});

  // Runs the steps of one epoch, until the feed ends it, the user interrupts, or somebody calls
  // stop_training() or its like; returns their number. Throws what the steps have recorded, and
  // Interrupted.
  std::int64_t run_epoch(std::int64_t epoch);
  // Returns loss and metrics of the last epoch.
  Logs logs() const { return model_.read_logs(); }
  // Returns how the time since run_epoch() was called divides. It waits for the device.
  FeedReport take_report();
  // Returns the same of the epoch so far, and goes on measuring. It waits for nothing.
  FeedReport report_so_far() const;

  std::int64_t epoch() const { return place_.epoch; }
  std::int64_t steps_of_epoch() const { return epoch_steps_; }
  std::int64_t steps() const { return steps_; }  // Of all epochs.
  void stop() { model_.stop(mode_); }
  bool was_stopped() const { return model_.is_told_to_stop(mode_); }
  bool has_run_out() const { return pipeline_->feed().ran_out(); }
  const feed::Feed& feed() const { return pipeline_->feed(); }

  Mode mode() const { return mode_; }
  const Source& source() const { return *source_; }
  Loop* outer() const { return outer_; }
  bool is_open() const { return pipeline_ != nullptr; }
  // The place after the last step that was launched, or after the epoch where that is over.
  FitPosition position() const;

  // Waits for the steps that were launched and throws the error that they have recorded. It is for
  // calls that callbacks make on the model: the error is then the loop's, and not the callback's.
  void settle();

 private:
  const Logs& read() override;
  void begin_epoch(std::int64_t epoch);
  void launch(const feed::Batch& batch);
  void end_step();
  void report_progress();
  double step_cores() const;
  void end_epoch();

  Model::Impl& model_;
  const Mode mode_;
  const char* const what_;
  const std::shared_ptr<Source> source_;
  CallbackList& callbacks_;
  const InterruptScope& interrupt_;
  Collected* const outputs_;
  Loop* const outer_;  // The loop of the call in whose callback this one runs.
  const int exceptions_;

  StepRunner runner_;
  std::unique_ptr<feed::Pipeline> pipeline_;
  std::optional<AsyncReadback> readback_;
  StepPlace place_;
  FitPosition start_{};
  std::int64_t epoch_steps_ = 0;
  std::int64_t steps_ = 0;
  std::int64_t next_readback_ns_ = 0;
  // The logs that views give, and whether those are of the present step, or of what was read back,
  // or have not been worked out.
  enum class LogsState : std::uint8_t { none, arrived, read };
  LogsState logs_state_ = LogsState::none;
  Logs logs_;

  RunClock clock_;  // Of the epoch.
};

}  // namespace stoker::train
