// A folder of checkpoints, written by a thread of its own.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "train/checkpoint/checkpoint.h"

namespace stoker::train {

// Names of files count up, so that the order of names is that of age: checkpoint-0000000017.
class CheckpointFolder {
 public:
  // Makes the folder where it is missing. Throws IoError.
  CheckpointFolder(std::filesystem::path folder, std::int64_t keep);
  // Waits for the file that is being written.
  ~CheckpointFolder();
  CheckpointFolder(const CheckpointFolder&) = delete;
  CheckpointFolder& operator=(const CheckpointFolder&) = delete;

  // Restores the newest checkpoint that is not damaged, and warns of those that are. Returns
  // nullopt where there is none, and throws IoError where all are damaged.
  std::optional<std::optional<FitPosition>> restore(Model::Impl& model);

  // Fills the memory of the first snapshot. Pages that are new cost several times the copy, which
  // the first step that saves would wait for.
  void prepare(Model::Impl& model);
  // Takes a snapshot, which the thread then writes; older files than the newest `keep` are removed
  // after that. Where the thread is still at an earlier one, this one waits in memory and takes the
  // place of any other that does. Throws the IoError of an earlier write.
  void save(Model::Impl& model, const FitPosition* position);
  // Waits until everything is written. Throws the IoError of a write.
  void finish();
  // Removes all checkpoints, and the folder where nothing else is in it.
  void remove();

 private:
  void run();
  void write(Snapshot& snapshot);
  std::vector<std::filesystem::path> files() const;  // The oldest first.
  void rethrow();

  const std::filesystem::path folder_;
  const std::int64_t keep_;
  std::uint64_t next_ = 0;  // The number of the next file.

  std::mutex mutex_;
  std::condition_variable changed_;
  // Of the snapshots one is written, one waits, and one is taken.
  std::optional<Snapshot> waiting_;
  Snapshot spare_;
  bool is_writing_ = false;
  bool stops_ = false;
  std::exception_ptr failure_;
  std::thread thread_;
};

}  // namespace stoker::train
