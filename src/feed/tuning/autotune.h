// Chooses how many workers fill and how many batches may wait, while training goes on.
#pragma once

#include <cstdint>
#include <optional>

#include "core/timeline.h"
#include "feed/tuning/throughput_model.h"

namespace stoker::feed {

struct TuneLimits {
  int max_workers = 1;  // workers are chosen from 1 to this
  int max_slots = 11;   // slots of the ring
  int queued = 10;      // max_queue_size, where that is not tuned
  bool tune_workers = false;
  bool tune_slots = false;
  int device_slots = 0;
  double cores = 1.0;
};

// Looks at the times of the stages since its last change, and asks the throughput model for the
// fewest workers, and the fewest slots, with which a batch takes no longer than with the most. The
// model's promise is compared with what then happens: a change that made training slower is taken
// back, and not tried again for a while. Where workers share the step's cores, another one is added
// only while the step waits for them and the cores are not busy. Autotune has no thread of its own.
class Autotune {
 public:
  struct Choice {
    int workers = 1;
    int slots = 11;
    friend bool operator==(const Choice&, const Choice&) = default;
  };

  // All measurements so far; `training_ns` leaves out time in which nobody asked for batches.
  struct Measured {
    std::uint64_t batches = 0;
    std::int64_t training_ns = 0;
    std::int64_t cpu_ns = 0;     // CPU time of the process
    std::int64_t waited_ns = 0;  // time spent waiting for batches
    // The shares of the generator's time in which it ran on a core, and in which it wanted to.
    double cpu_share = 0.0;
    double core_share = 0.0;
    StageDurations durations{};
  };
  // `begin` is what was measured before there was anything to tune.
  Autotune(const TuneLimits& limits, const Choice& start, const Measured& begin);

  // Returns whether there are enough new measurements to decide on; the feed asks at each batch.
  bool is_due(std::uint64_t batches, std::int64_t training_ns) const;
  // Returns another choice if it is better.
  std::optional<Choice> decide(const Measured& measured);
  const Choice& choice() const { return choice_; }

 private:
  // Returns the number of slots that so many workers may use.
  int slots_for(int workers) const;
  Choice best(const Measured& window) const;
  double busy(const Measured& window) const;

  const TuneLimits limits_;
  Choice choice_;
  Measured begin_;  // measurements at the beginning of the window
  int windows_ = 0;
  int unchanged_ = 0;  // windows without a change, up to a few
  // The choice before the last change, and the time that a batch took with it.
  std::optional<Choice> before_;
  double seconds_before_ = 0.0;
  int ceiling_ = 0;  // the most workers until window ceiling_until_
  int ceiling_until_ = 0;
};

}  // namespace stoker::feed
