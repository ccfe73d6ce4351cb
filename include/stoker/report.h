// The verdict on an epoch or a fit: what the device waited for, why, and what to change.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stoker/histogram.h"
#include "stoker/source.h"

namespace stoker {

// A change and the gain to expect from it, computed from what was measured.
struct Advice {
  std::string change;              // "workers 1 → 3"
  std::string condition;           // what the change needs first; empty if nothing
  std::string reason;              // a sentence or two, for people
  double seconds_per_batch = 0.0;  // now, without validation and display
  double predicted = 0.0;          // with the change

  double speedup() const { return predicted > 0.0 ? seconds_per_batch / predicted : 1.0; }
};

// A change of a run to imagine: what is not given stays as it was.
struct WhatIf {
  double device_speed = 1.0;     // The device does a step in 1 / so much of the time.
  double generator_speed = 1.0;  // The generator makes a batch in 1 / so much of the time.
  std::optional<int> workers{};
  std::optional<int> queue{};  // max_queue_size
  double upload_bytes = 1.0;   // A batch has so many times the bytes to upload.
  std::optional<double> cores{};
};

// What a step would take then.
struct Outcome {
  double seconds_per_batch = 0.0;  // as the run was
  double predicted = 0.0;          // with the change
  // What would hold the run back then: "generator", "cores", "upload", "launch" or "step".
  std::string limit;

  double speedup() const { return predicted > 0.0 ? seconds_per_batch / predicted : 1.0; }
  std::string text() const;     // A sentence for people.
  std::string to_json() const;  // One JSON object.
};

// The division of the wall time of an epoch, or of a whole fit, in seconds. The parts of the
// device's time (waited_..., computed) and `other` add up to `wall`, as far as the device's clock
// can be told from the host's.
struct FeedReport {
  double wall = 0.0;
  // The times in which the device had no batch, because the generator had none ready, because the
  // batch was still being copied, or because the host had not yet handed it over. A copy that runs
  // beside a step does not count.
  double waited_for_generator = 0.0;
  double waited_for_upload = 0.0;
  double waited_for_launch = 0.0;
  double computed = 0.0;
  double other = 0.0;  // validation, callbacks, the progress bar

  // The time in hooks of the user's callbacks. Most of it is part of `other`; where the device had
  // done its steps meanwhile, it is part of what was waited for.
  double callbacks = 0.0;

  double generated = 0.0;             // time inside the generator, by all workers together
  double generated_cpu_share = 0.0;   // the share of it that ran on a core
  double generated_core_share = 0.0;  // the share that ran or waited for a core
  double cpu = 0.0;                   // CPU time of the whole process
  std::int64_t batches = 0;
  std::int64_t samples = 0;
  std::uint64_t bytes = 0;
  std::int64_t nan_batches = 0;  // batches that held a NaN (nan_policy)
  // The elements and batches that could not be made and were passed over (on_error), and what the
  // first of these failures said.
  std::int64_t failures = 0;
  std::string first_failure{};

  // The time that a stage took for each batch by itself, apart from waiting for others.
  DurationHistogram generate;
  DurationHistogram convert;             // the part of generate in cast()
  DurationHistogram wait_for_generator;  // for the batches that were waited for
  // These two are measured on devices with memory of their own. A launch is the host's part: from
  // when it had the batch until it had handed copy and step to the device.
  DurationHistogram upload;
  DurationHistogram launch;
  DurationHistogram step;
  // The steps, on the CPU, that followed another step at once. After a wait a step takes longer.
  DurationHistogram step_in_a_row;

  int workers = 1;      // workers at the end
  int max_workers = 1;  // threads that were available
  int queue_size = 10;  // batches that could be filled ahead at the end
  int device_slots = 0;
  double cores = 1.0;
  double step_cores = 0.0;   // the step's threads, if they share cores with the generator
  double ring_filled = 0.0;  // batches that were ready when the step asked for one, summed over all
  std::uint64_t drawn_one_by_one = 0;  // random numbers that the generator did not draw in bulk
  double float_share = 1.0;            // the share of float32 inputs in a batch's bytes
  SourceKind source = SourceKind::function;
  bool is_pure = false;      // the source is pure: several workers may fill
  bool is_optimized = true;  // the source was compiled with optimisation
  bool tuned = false;        // AUTOTUNE chose workers or queue_size
  bool tuned_workers = false;
  bool limited_by_memory = false;  // AUTOTUNE could have no more workers for lack of memory
  bool by_hand = false;            // train_on_batch: nothing was generated ahead
  // What the source's stages did, from the first to the last; empty for a source without stages.
  std::vector<StageReport> stages{};

  enum class Class : std::uint8_t {
    nothing,
    compute_bound,
    generator_bound,
    upload_bound,
    launch_bound,
    balanced
  };
  // Returns the class, which depends on the share of its time that the device waited. Below 5% it
  // is compute-bound, above 20% it is bound by what it waited for most, and in between it is
  // balanced.
  Class classify() const;
  static const char* name_of(Class bound);        // "generator-bound"
  static const char* name_of(SourceKind source);  // "coroutine"

  // The first does not include `other`. The second is the time if all stages overlapped perfectly,
  // which is that of the slowest stage.
  double seconds_per_batch() const;
  double ideal_seconds_per_batch() const;
  // Returns how many batches were ready on average when the step asked for one.
  double occupancy() const;

  // Returns what to change, the most rewarding first; empty if only a faster step would help.
  std::vector<Advice> advice() const;
  // Returns what a step would have taken, and what would have held it back, with another device,
  // other workers or other data: the run is simulated with the durations that were measured in it.
  // Throws ValueError for a change that is not positive and finite, and for a report without
  // batches.
  Outcome what_if(const WhatIf& change) const;
  // Returns the verdict for people to read: the class, the shares, the cause, and the advice.
  std::string verdict() const;
  // Returns the verdict in one line, for the display after an epoch.
  std::string headline() const;
  // Returns the whole report as one JSON object.
  std::string to_json() const;
  // Makes a report from the result of to_json(). Throws ValueError, with the place, for text that
  // is none.
  static FeedReport from_json(std::string_view json);

  // Adds the report of a later fit.
  FeedReport& operator+=(const FeedReport& later);
};

}  // namespace stoker
