// What a batch would take with other workers or another queue: the ring and the device acted out on
// the durations that were measured.
#pragma once

#include "stoker/histogram.h"

namespace stoker::feed {

// What the stages of a batch took, each where nothing kept it waiting.
struct StageDurations {
  DurationHistogram generate;
  DurationHistogram upload;  // none where the step reads the slot itself
  DurationHistogram step;
  double host = 0.0;  // seconds of the host to hand a batch to the device
};

struct Arrangement {
  int workers = 1;
  int ring_slots = 11;
  int device_slots = 0;  // 0: the step reads the slot itself
  // CPU seconds that a batch costs, generator and step together, and the cores that provide them:
  // no arrangement is faster than that. 0: not known.
  double cpu_seconds = 0.0;
  double cores = 1.0;
  // What becomes of the durations.
  double generate_scale = 1.0;
  double upload_scale = 1.0;
  double step_scale = 1.0;
};

// The smallest number in [low, high] that is enough, where every larger one is too, and `high` is.
template <class Enough>
int fewest(int low, int high, Enough&& enough) {
  while (low < high) {
    const int middle = low + (high - low) / 2;
    if (enough(middle)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return high;
}

// How long a call takes on average that computes for `computes` seconds and waits for `waits`,
// while as many workers as there are share the cores, each making one call after another: the
// machine repair model (Allen, "Probability, Statistics, and Queueing Theory", 1990, 5.2.7).
double seconds_per_call(double computes, double waits, int workers, double cores);

// Seconds from batch to batch in the steady state. The same inputs give the same result.
double seconds_per_batch(const StageDurations& durations, const Arrangement& arrangement);

}  // namespace stoker::feed
