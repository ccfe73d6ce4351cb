// Checkpoints: everything of a model, and of a fit that is under way, in one file, so that training
// goes on from it bit for bit. docs/checkpoints.md.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "stoker/callback.h"

namespace stoker {

// What a checkpoint says of itself.
struct CheckpointInfo {
  std::string version{};  // Stoker's.
  // What computed: the device, its instructions, its libraries, the number of threads. Bits may
  // differ where another one goes on.
  std::string arithmetic{};
  std::int64_t iterations = 0;  // The updates that were done.
  // The step with which the fit goes on. A checkpoint that was not saved within a fit has none.
  bool is_of_fit = false;
  std::int64_t epoch = 0;
  std::int64_t step = 0;
};

// Reads the header of a checkpoint. Throws IoError for a file that is none or is damaged.
CheckpointInfo read_checkpoint_info(const std::string& path);

// After how much training a callback saves: an epoch, or so many steps, counted over epochs.
class SaveFrequency {
 public:
  // Throws ValueError for another word than "epoch".
  SaveFrequency(const char* word);
  // Throws ValueError below 1.
  SaveFrequency(std::int64_t steps);
  SaveFrequency(int steps) : SaveFrequency(static_cast<std::int64_t>(steps)) {}

  bool is_epoch() const { return steps_ == 0; }
  std::int64_t steps() const { return steps_; }

 private:
  std::int64_t steps_ = 0;
};

struct BackupAndRestoreOptions {
  SaveFrequency save_freq = "epoch";
  std::int64_t keep = 2;          // The newest checkpoints that are kept.
  bool delete_checkpoint = true;  // Removes them when the training has ended as it should.
};

// Saves checkpoints into a folder while a fit goes on. A fit that finds one there goes on from it:
// with the same weights, random numbers, batches and totals, and with what callbacks remember
// (Callback::save_state()), so that it ends with the bits of a fit that never stopped. For that the
// fit has to be called with the same options and the same data. The source has to be one that can
// be asked for batches by number, or save its state; otherwise the fit ends at its beginning with a
// CallbackError that says what to add.
//
// A step waits only for the copy of the state off the device. A thread of its own writes the file,
// which appears whole or not at all. On Ctrl-C the state after the last step is saved before the
// fit ends. A file that is damaged is passed over, with a warning, for the one before it. What
// can't be written is an IoError, in the next hook.
class BackupAndRestore : public Callback {
 public:
  // Makes the folder where it is missing. Throws ValueError for an empty name and a `keep` below 1.
  explicit BackupAndRestore(std::string backup_dir, BackupAndRestoreOptions options = {});
  BackupAndRestore(BackupAndRestore&&) noexcept;
  ~BackupAndRestore() override;

  std::string name() const override { return "BackupAndRestore"; }
  void on_train_begin() override;
  void on_train_batch_end(std::int64_t step, LogsView logs) override;
  void on_epoch_report(std::int64_t epoch, const FeedReport& report) override;
  void on_train_end(const Logs& logs) override;
  bool on_train_failure(const Error& failure) override;

 private:
  struct Impl;
  void save();
  std::unique_ptr<Impl> impl_;
};

}  // namespace stoker
