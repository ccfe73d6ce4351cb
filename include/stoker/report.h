// What the device waited for, why, and what to change: the verdict of an epoch or a fit.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "stoker/histogram.h"
#include "stoker/source.h"

namespace stoker {

// A change and the gain to expect from it, computed from what was measured.
struct Advice {
  std::string change;              // "workers 1 → 3"
  std::string condition;           // what that needs first; empty: nothing
  std::string reason;              // a sentence or two, for people
  double seconds_per_batch = 0.0;  // now, without validation and display
  double predicted = 0.0;          // with the change

  double speedup() const { return predicted > 0.0 ? seconds_per_batch / predicted : 1.0; }
};

// The division of the wall time of an epoch, or of a whole fit, in seconds. The parts of the
// device's time (waited_..., computed) and `other` add up to `wall`, as far as the device's clock
// can be told from the host's.
struct FeedReport {
  double wall = 0.0;
  // The device had no batch, since the generator had none ready; since it was still being copied;
  // since the host had not handed it over yet. A copy that runs beside a step costs nothing here.
  double waited_for_generator = 0.0;
  double waited_for_upload = 0.0;
  double waited_for_launch = 0.0;
  double computed = 0.0;
  double other = 0.0;  // validation, the progress bar

  double generated = 0.0;             // time inside the generator, by all workers together
  double generated_cpu_share = 0.0;   // how much of it ran on a core
  double generated_core_share = 0.0;  // or waited for a core: in the rest it waited for something
  double cpu = 0.0;                   // CPU time of the whole process
  std::int64_t batches = 0;
  std::int64_t samples = 0;
  std::uint64_t bytes = 0;
  std::int64_t nan_batches = 0;  // that held a NaN (nan_policy)

  // The time that a stage took for each batch by itself, apart from waiting for others.
  DurationHistogram generate;
  DurationHistogram convert;             // of that: cast()
  DurationHistogram wait_for_generator;  // of the batches that were waited for
  DurationHistogram upload;              // on devices with memory of their own
  DurationHistogram step;
  // Those of them, on the CPU, that followed another step at once. After a wait a step takes
  // longer.
  DurationHistogram step_in_a_row;

  int workers = 1;      // at the end
  int max_workers = 1;  // threads that there were
  int queue_size = 10;  // batches that could be filled ahead, at the end
  int device_slots = 0;
  double cores = 1.0;
  double step_cores = 0.0;   // the step's threads, where their cores are the generator's too
  double ring_filled = 0.0;  // batches that were ready when the step asked for one, summed over all
  std::uint64_t drawn_one_by_one = 0;  // random numbers that the generator did not draw in bulk
  double float_share = 1.0;            // of a batch's bytes, those of float32 inputs
  SourceKind source = SourceKind::function;
  bool is_pure = false;      // of the source: several workers may fill
  bool is_optimized = true;  // the source was compiled with optimisation
  bool tuned = false;        // AUTOTUNE chose workers or queue_size
  bool tuned_workers = false;
  bool limited_by_memory = false;  // AUTOTUNE could have no more workers for lack of memory
  bool by_hand = false;            // train_on_batch: nothing was generated ahead

  enum class Class : std::uint8_t {
    nothing,
    compute_bound,
    generator_bound,
    upload_bound,
    launch_bound,
    balanced
  };
  // The class goes by the share of its time that the device waited: below 5% compute-bound, above
  // 20% bound by what it waited for most; balanced between.
  Class classify() const;
  static const char* name_of(Class bound);        // "generator-bound"
  static const char* name_of(SourceKind source);  // "coroutine"

  // The first is without `other`. The second is what it would be if all stages overlapped
  // perfectly: the slowest stage.
  double seconds_per_batch() const;
  double ideal_seconds_per_batch() const;
  // Batches that were ready when the step asked for one, on average.
  double occupancy() const;

  // What to change, most rewarding first; empty when only a faster step would help.
  std::vector<Advice> advice() const;
  // The verdict for people: the class, the shares, the cause, and the advice.
  std::string verdict() const;
  // The same in one line, for the display after an epoch.
  std::string headline() const;
  // All of it, as one JSON object.
  std::string to_json() const;

  // The reports of one fit after another.
  FeedReport& operator+=(const FeedReport& later);
};

}  // namespace stoker
