// A model of the time of a batch with other workers or another queue. It simulates the ring and the
// device with the durations that were measured.
#pragma once

#include <algorithm>

#include "stoker/histogram.h"

namespace stoker::feed {

// The durations of the stages of a batch, each without waiting.
struct StageDurations {
  DurationHistogram generate;
  DurationHistogram upload;  // empty if the step reads the slot itself
  DurationHistogram step;
  double host = 0.0;  // seconds in which the host hands a batch to the device
};

struct Arrangement {
  int workers = 1;
  int ring_slots = 11;
  int device_slots = 0;  // 0 if the step reads the slot itself
  // The CPU seconds of a batch, of generator and step together, and the cores that provide them. No
  // arrangement is faster than their quotient. 0 means not known.
  double cpu_seconds = 0.0;
  double cores = 1.0;
  // Factors for the measured durations.
  double generate_scale = 1.0;
  double upload_scale = 1.0;
  double step_scale = 1.0;
};

// Returns the fewest workers in [low, high] with which a batch takes no longer than `tolerance`
// times what it takes with the best number of them. Up to the best number more workers are better;
// beyond it they may be worse, since they compete for the cores or for the slots of the ring.
template <class Takes>
int fewest_workers(int low, int high, double tolerance, Takes&& takes) {
  int best = low;
  double fastest = takes(low);
  for (int workers = low; workers < high;) {
    workers = std::min(high, workers + std::max(1, workers / 8));
    const double seconds = takes(workers);
    if (seconds >= fastest) continue;
    best = workers;
    fastest = seconds;
  }
  while (low < best) {
    const int middle = low + (best - low) / 2;
    if (takes(middle) <= tolerance * fastest) {
      best = middle;
    } else {
      low = middle + 1;
    }
  }
  return best;
}

// Returns the average time of a call that computes for `computes` seconds and waits for `waits`,
// while `workers` share the cores, each making one call after another: the machine repair model
// (Allen, "Probability, Statistics, and Queueing Theory", 1990, 5.2.7).
double seconds_per_call(double computes, double waits, int workers, double cores);

// The steady state of an arrangement, in seconds for each batch.
struct SteadyState {
  double seconds_per_batch = 0.0;
  // The parts of it in which the step waited.
  double waited_for_generator = 0.0;
  double waited_for_upload = 0.0;
  double waited_for_launch = 0.0;
  // Whether the cores can't provide the CPU time any faster.
  bool is_limited_by_cores = false;
};

// Simulates the arrangement. The same inputs give the same result.
SteadyState steady_state(const StageDurations& durations, const Arrangement& arrangement);
inline double seconds_per_batch(const StageDurations& durations, const Arrangement& arrangement) {
  return steady_state(durations, arrangement).seconds_per_batch;
}

}  // namespace stoker::feed
