// The batches that a fit asks its source for, epoch by epoch: arithmetic that the producer and the
// consumer share, so that they agree without communicating.
#pragma once

#include <cstdint>
#include <optional>

#include "feed/ring/feed_options.h"

namespace stoker::feed {

class Schedule {
 public:
  // Checks the options, and throws ValueError, or DataError for a source of 0 batches.
  Schedule(const FeedOptions& options, const Source& source);

  // The epochs of the training are [first_epoch(), end_epoch()). The first one begins with its step
  // first_step(), before which the training has had first_batch() batches.
  std::int64_t first_epoch() const { return first_epoch_; }
  std::int64_t first_step() const { return first_step_; }
  std::int64_t first_batch() const { return first_batch_; }
  std::int64_t end_epoch() const { return end_epoch_; }
  // Returns the number of batches of an epoch; empty if only the source knows.
  std::optional<std::int64_t> steps(std::int64_t epoch) const;
  // These return the epoch as BatchContext has it, and the index in it of the epoch's first batch.
  std::int64_t source_epoch(std::int64_t epoch) const { return epoch / epochs_per_pass_; }
  std::int64_t first_index(std::int64_t epoch) const;
  // Returns the epoch, as BatchContext has it, of the batch before the first one.
  std::int64_t source_epoch_before() const;
  // Returns what Source::begin_run() gets if the first batch is that step of that epoch. (If none
  // is left of the first epoch, it is one of the next.)
  RunStart start_at(std::int64_t epoch, std::int64_t step) const;
  // Returns the number of batches in all epochs, but at most `limit`; returns `limit` if only the
  // source knows.
  std::int64_t total_up_to(std::int64_t limit) const;

 private:
  std::int64_t first_epoch_;
  std::int64_t first_step_;
  std::int64_t first_batch_;
  std::int64_t end_epoch_;
  std::optional<std::int64_t> steps_per_epoch_;
  std::optional<std::int64_t> pass_;  // the source's own batches_per_epoch
  std::int64_t epochs_per_pass_ = 1;  // above 1 when steps_per_epoch divides a pass
};

}  // namespace stoker::feed
