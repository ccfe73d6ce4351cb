// Which batches a fit asks its source for, epoch by epoch: arithmetic that the producer and the
// consumer share, so that they agree without talking.
#pragma once

#include <cstdint>
#include <optional>

#include "feed/feed.h"

namespace stoker::feed {

class Schedule {
 public:
  // Checks the options: throws ValueError, or DataError for a source of 0 batches.
  Schedule(const FeedOptions& options, const Source& source);

  // Epochs of the training, [first, end).
  std::int64_t first_epoch() const { return first_epoch_; }
  std::int64_t end_epoch() const { return end_epoch_; }
  // The number of batches that an epoch has; empty when only the source knows.
  std::optional<std::int64_t> steps(std::int64_t epoch) const;
  // What BatchContext calls the epoch, and the index there of the epoch's first batch.
  std::int64_t source_epoch(std::int64_t epoch) const { return epoch / epochs_per_pass_; }
  std::int64_t first_index(std::int64_t epoch) const;
  // Batches in all epochs, but no more than `limit`; `limit` when only the source knows.
  std::int64_t total_up_to(std::int64_t limit) const;

 private:
  std::int64_t first_epoch_;
  std::int64_t end_epoch_;
  std::optional<std::int64_t> steps_per_epoch_;
  std::optional<std::int64_t> pass_;  // the source's own batches_per_epoch
  std::int64_t epochs_per_pass_ = 1;  // above 1 when steps_per_epoch divides a pass
};

}  // namespace stoker::feed
