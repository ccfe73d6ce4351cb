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
#include "stoker/checkpoint.h"
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

struct ModelCheckpointOptions {
  std::string monitor = "val_loss";
  int verbose = 0;
  bool save_best_only = false;  // Only where the monitored number has improved.
  bool save_weights_only = false;
  std::string mode = "auto";
  SaveFrequency save_freq = "epoch";
  std::optional<double> initial_value_threshold{};  // What the first value has to beat.
};

// Saves the model, or its weights alone, after each epoch or every so many steps. The file's name
// may hold the numbers of the logs, as in "{epoch:02d}-{val_loss:.2f}.keras"; `epoch` and `batch`
// count from 1 there. A file of that name is replaced, whole or not at all. For exact resume there
// is BackupAndRestore (stoker/checkpoint.h).
class ModelCheckpoint : public Callback {
 public:
  // Throws ValueError for a filepath that does not end in .keras, or with save_weights_only in
  // .weights.h5 or .safetensors, and for an unknown mode.
  explicit ModelCheckpoint(std::string filepath, ModelCheckpointOptions options = {});

  const std::optional<double>& best() const { return best_; }

  std::string name() const override { return "ModelCheckpoint"; }
  void on_train_begin() override;
  void on_epoch_begin(std::int64_t epoch) override;
  // These throw IoError where the file can't be written, and ValueError for a placeholder that the
  // logs don't have.
  void on_train_batch_end(std::int64_t step, LogsView logs) override;
  void on_epoch_end(std::int64_t epoch, Logs& logs) override;

 private:
  bool should_save(const Logs& logs, const std::string& path);
  std::string path_of(std::optional<std::int64_t> step, const Logs& logs) const;
  void save(std::optional<std::int64_t> step, const Logs& logs);

  std::string filepath_;
  ModelCheckpointOptions options_;
  detail::Monitor monitor_;
  std::int64_t epoch_ = 0;
  std::int64_t steps_since_save_ = 0;
  std::optional<double> best_;
};

struct SwapEMAWeightsOptions {
  bool swap_on_epoch =
      false;  // At the ends of epochs too, for callbacks that save the model there.
};

// Lets evaluations and predictions, and the validation of a fit, see the moving averages that an
// optimizer with use_ema keeps, in place of the weights.
class SwapEMAWeights : public Callback {
 public:
  explicit SwapEMAWeights(SwapEMAWeightsOptions options = {}) : options_(options) {}

  std::string name() const override { return "SwapEMAWeights"; }
  // The first of these to be called throws ValueError where the optimizer keeps no averages.
  void on_epoch_begin(std::int64_t epoch) override;
  void on_epoch_end(std::int64_t epoch, Logs& logs) override;
  void on_test_begin() override;
  void on_test_end(const Logs& logs) override;
  void on_predict_begin() override;
  void on_predict_end() override;

 private:
  void swap(bool averages_are_weights);

  SwapEMAWeightsOptions options_;
  bool averages_are_weights_ = false;
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

// The progress bar, which fit, evaluate and predict have of themselves where `verbose` is not 0. In
// a list of callbacks it takes that one's place, to stand before others, for example.
class ProgbarLogger : public Callback {
 public:
  // Draws on standard output: 1 a bar (plain lines where there is no terminal), 2 a line an epoch.
  explicit ProgbarLogger(int verbose = 1);
  ProgbarLogger(ProgbarLogger&&) noexcept;
  ~ProgbarLogger() override;

  std::string name() const override { return "ProgbarLogger"; }
  void on_train_begin() override;
  void on_train_end(const Logs& logs) override;
  void on_epoch_begin(std::int64_t epoch) override;
  void on_train_batch_end(std::int64_t step, LogsView logs) override;
  void on_train_progress(std::int64_t step, LogsView logs) override;
  void on_epoch_end(std::int64_t epoch, Logs& logs) override;
  void on_epoch_report(std::int64_t epoch, const FeedReport& report) override;
  // As in Keras the validation of a fit has no bar of its own.
  void on_test_begin() override;
  void on_test_batch_end(std::int64_t step, LogsView logs) override;
  void on_test_progress(std::int64_t step, LogsView logs) override;
  void on_test_end(const Logs& logs) override;
  void on_predict_begin() override;
  void on_predict_batch_end(std::int64_t step, PredictionsView outputs) override;
  void on_predict_end() override;

 private:
  struct Bar;
  void begin();
  void update(std::int64_t step, LogsView logs);

  std::unique_ptr<Bar> bar_;
  bool is_fit_ = false;
  std::int64_t steps_ = 0;  // Steps of this epoch that were run.
};

}  // namespace stoker
