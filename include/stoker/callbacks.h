// Callbacks that stop, save, log and change the learning rate, with Keras 3's names, arguments,
// defaults and messages. Keras's RemoteMonitor is not offered. How to write another one:
// stoker/callback.h and docs/callbacks.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "stoker/callback.h"
#include "stoker/detail/function.h"
#include "stoker/detail/monitor.h"

namespace stoker {

struct EarlyStoppingOptions {
  std::string monitor = "val_loss";
  double min_delta = 0.0;     // A smaller change is no improvement.
  std::int64_t patience = 0;  // Epochs without an improvement after which training stops.
  int verbose = 0;
  std::string mode = "auto";  // "min", "max", or "auto": by the metric.
  std::optional<double> baseline{};
  bool restore_best_weights = false;
  std::int64_t start_from_epoch = 0;
};

// Stops the training when a number in the logs has not improved for some epochs.
class EarlyStopping : public Callback {
 public:
  // Throws ValueError for an unknown mode and for a negative patience or start.
  explicit EarlyStopping(EarlyStoppingOptions options = {});

  std::int64_t stopped_epoch() const { return stopped_epoch_; }  // 0 where it did not stop.
  std::int64_t best_epoch() const { return best_epoch_; }
  const std::optional<double>& best() const { return best_; }

  std::string name() const override { return "EarlyStopping"; }
  void on_train_begin() override;
  void on_epoch_end(std::int64_t epoch, Logs& logs) override;
  void on_train_end(const Logs& logs) override;

 private:
  EarlyStoppingOptions options_;
  detail::Monitor monitor_;
  std::int64_t wait_ = 0;
  std::int64_t stopped_epoch_ = 0;
  std::int64_t best_epoch_ = 0;
  std::optional<double> best_{};
  std::vector<Tensor> best_weights_{};
};

struct ReduceLROnPlateauOptions {
  std::string monitor = "val_loss";
  double factor = 0.1;
  std::int64_t patience = 10;
  int verbose = 0;
  std::string mode = "auto";
  double min_delta = 1e-4;
  std::int64_t cooldown = 0;  // Epochs after a reduction in which nothing is counted.
  double min_lr = 0.0;
};

// Multiplies the learning rate by a factor when a number in the logs has not improved for some
// epochs, and writes the rate into the logs as "learning_rate".
class ReduceLROnPlateau : public Callback {
 public:
  // Throws ValueError for a factor that is not in [0, 1), an unknown mode, and negative counts.
  explicit ReduceLROnPlateau(ReduceLROnPlateauOptions options = {});

  std::string name() const override { return "ReduceLROnPlateau"; }
  void on_train_begin() override;
  void on_epoch_end(std::int64_t epoch, Logs& logs) override;

 private:
  void reduce(std::int64_t epoch);

  ReduceLROnPlateauOptions options_;
  detail::Monitor monitor_;
  std::int64_t wait_ = 0;
  std::int64_t cooldown_ = 0;
  std::optional<double> best_{};
};

struct LearningRateSchedulerOptions {
  int verbose = 0;
};

// Sets the learning rate at the beginning of each epoch to what a function says, and writes it into
// the logs as "learning_rate". The function gets the epoch and the present rate.
class LearningRateScheduler : public Callback {
 public:
  explicit LearningRateScheduler(detail::Function<double(std::int64_t epoch, double rate)> schedule,
                                 LearningRateSchedulerOptions options = {});

  std::string name() const override { return "LearningRateScheduler"; }
  void on_epoch_begin(std::int64_t epoch) override;
  void on_epoch_end(std::int64_t epoch, Logs& logs) override;

 private:
  detail::Function<double(std::int64_t, double)> schedule_;
  LearningRateSchedulerOptions options_;
};

// Ends the training as stop_training() does when the loss of a step is not finite. Without it fit
// throws NumericError. In either case the weights are those from before that step, where Keras's
// are lost; the logs are those of the steps before it.
class TerminateOnNaN : public Callback {
 public:
  std::string name() const override { return "TerminateOnNaN"; }
  bool on_train_failure(const Error& failure) override;
};

struct CSVLoggerOptions {
  std::string separator = ",";
  bool append = false;  // Goes on with a file that is there, without a second line of names.
};

// Writes a line for each epoch: its number, and its logs in the order of their names. Lines end as
// Python's csv module ends them.
class CSVLogger : public Callback {
 public:
  explicit CSVLogger(std::string filename, CSVLoggerOptions options = {});

  std::string name() const override { return "CSVLogger"; }
  // These throw IoError where the file can't be written.
  void on_train_begin() override;
  void on_epoch_end(std::int64_t epoch, Logs& logs) override;
  void on_train_end(const Logs& logs) override;

 private:
  void write(const std::string& text);

  std::string filename_;
  CSVLoggerOptions options_;
  bool writes_names_ = true;
  std::optional<std::vector<std::string>> keys_{};
};

}  // namespace stoker
