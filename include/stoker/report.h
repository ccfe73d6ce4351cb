// What the device waited for: the verdict of a fit.
#pragma once

#include <cstdint>
#include <string>

namespace stoker {

// How the wall time of an epoch, or of a whole fit, divides. Seconds.
struct FeedReport {
  double wall = 0.0;
  double waited_for_generator = 0.0;  // the step had no batch to work on
  double computed = 0.0;
  double other = 0.0;      // validation, callbacks, the progress bar
  double generated = 0.0;  // time spent inside the generator, by all workers together
  std::int64_t batches = 0;
  std::int64_t samples = 0;
  std::uint64_t bytes = 0;
  int workers = 1;

  enum class Class : std::uint8_t { nothing, compute_bound, generator_bound, balanced };
  // Thresholds: waiting below 5% of waiting and computing together is compute-bound, above 20%
  // generator-bound.
  Class classify() const;
  // One paragraph for people: the class, the shares, the cause, and what to change.
  std::string verdict() const;

  FeedReport& operator+=(const FeedReport& other);
};

}  // namespace stoker
