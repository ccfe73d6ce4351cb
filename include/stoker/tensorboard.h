// A callback that logs a training for TensorBoard: losses and metrics, the feed's stages and its
// verdict, histograms and images of weights, and the graph of layers. It writes the files by
// itself, without TensorFlow; docs/tensorboard.md lists what is in them.
//
//   model.fit(x, y, {.epochs = 20, .validation_split = 0.1, .callbacks = {TensorBoard("logs")}});
//
// and then, in a shell with TensorBoard: tensorboard --logdir logs
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "stoker/callback.h"

namespace stoker {

// How often a TensorBoard callback logs loss and metrics: "epoch", "batch", or every so many steps.
class UpdateFrequency {
 public:
  // Throws ValueError for another word.
  UpdateFrequency(const char* word);
  // Throws ValueError below 1.
  UpdateFrequency(std::int64_t steps);
  UpdateFrequency(int steps) : UpdateFrequency(static_cast<std::int64_t>(steps)) {}

  bool is_epoch() const { return steps_ == 0; }
  std::int64_t steps() const { return steps_; }

 private:
  std::int64_t steps_ = 0;
};

struct TensorBoardOptions {
  // The epochs between histograms of all weights; 0 for none. Unlike Keras's these need no
  // validation.
  std::int64_t histogram_freq = 0;
  bool write_graph = true;    // The graph of layers, once in each fit.
  bool write_images = false;  // The weights as images too, together with their histograms.
  bool write_steps_per_second = false;
  // With a number of steps, or "batch", the logs of such steps are read, which waits for the step.
  // Losses and metrics of epochs are logged in any case.
  UpdateFrequency update_freq = "epoch";
};

// Logs into the folders `log_dir`/train and `log_dir`/validation, with Keras 3's names, arguments,
// defaults and tags. Keras's profile_batch, embeddings_freq and embeddings_metadata are not
// offered; for a profile there is FitOptions::trace.
//
// Each fit writes files of its own, and each hook writes what it has logged before it returns, so
// that nothing is lost when the program dies. Where the folder can't be written, or the disk is
// full, the training goes on: there is one warning on standard error, and nothing more is logged
// until the next fit.
class TensorBoard : public Callback {
 public:
  // Throws ValueError for a negative histogram_freq.
  explicit TensorBoard(std::string log_dir = "logs", TensorBoardOptions options = {});
  TensorBoard(TensorBoard&&) noexcept;
  ~TensorBoard() override;

  std::string name() const override { return "TensorBoard"; }
  void on_train_begin() override;
  void on_train_end(const Logs& logs) override;
  void on_epoch_begin(std::int64_t epoch) override;
  void on_epoch_end(std::int64_t epoch, Logs& logs) override;
  void on_epoch_report(std::int64_t epoch, const FeedReport& report) override;
  void on_train_batch_begin(std::int64_t step) override;
  void on_train_batch_end(std::int64_t step, LogsView logs) override;
  // Validation of a fit, and evaluate(), are logged against the updates that the model has had.
  void on_test_end(const Logs& logs) override;

 private:
  struct Writers;

  std::string log_dir_;
  TensorBoardOptions options_;
  std::unique_ptr<Writers> writers_;
};

}  // namespace stoker
