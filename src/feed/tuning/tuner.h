// Sets the workers and the queue of a feed as AUTOTUNE decides, while training goes on.
#pragma once

#include <cstdint>
#include <optional>

#include "feed/feed.h"
#include "feed/tuning/autotune.h"
#include "feed/tuning/throughput_model.h"

namespace stoker::feed {

// The owner of the feed tells the tuner of epochs and batches. Times between epochs do not count,
// since nobody asks for batches then.
class Tuner {
 public:
  // Nothing is tuned where the options do not say AUTOTUNE, or leave no choice. `device_slots` is 0
  // if the step reads the feed's slots.
  Tuner(Feed& feed, const FeedOptions& options, int device_slots);

  void begin_epoch(std::int64_t now_ns) { epoch_begin_ns_ = now_ns; }
  void end_epoch(std::int64_t now_ns) { before_ns_ += now_ns - epoch_begin_ns_; }
  // Counts a batch that was taken from the feed. Returns whether enough was measured since the last
  // decision for another one.
  bool count_batch();
  // Decides. `device` has the durations of all uploads and steps so far; the tuner asks the feed
  // for the generator's.
  void decide(const StageDurations& device);
  // Says in the report what is tuned.
  void report(FeedReport& report) const;

 private:
  std::int64_t training_ns() const;

  Feed& feed_;
  const bool tunes_workers_;
  std::optional<Autotune> autotune_;  // none if nothing is tuned
  std::uint64_t batches_ = 0;
  std::int64_t epoch_begin_ns_ = 0;
  std::int64_t before_ns_ = 0;  // time in epochs that are over
};

}  // namespace stoker::feed
