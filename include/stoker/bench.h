// Where the time of a training goes, measured: what a source gives and what a model's step takes,
// each by itself and both together. A program asks this of its own model and source:
//
//   std::cout << diagnose(model, source).text();
//
// The functions train the model, and then set its weights, optimizer and counters back to what they
// were. The source is asked for batches as by several fits, one after another. The rules for
// threads and Ctrl-C are fit()'s, and so are the errors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "stoker/generator.h"
#include "stoker/model.h"
#include "stoker/report.h"

namespace stoker {

enum class BenchRow : std::uint8_t {
  pulling_alone,  // One worker fills batches, and nobody trains on them.
  step_alone,     // Steps on one batch that stays on the device.
  one_worker,     // fit() with one worker.
  autotune,       // fit() with AUTOTUNE for workers and queue.
  cached          // fit() on copies of the first batches, which lie in the host's memory.
};
const char* name_of(BenchRow row);  // "pulling alone"

struct BenchOptions {
  double seconds = 2.0;  // The time for each row. The first quarter is not counted.
  // Counts this number of batches instead, from the first on.
  std::optional<std::int64_t> batches{};
  std::vector<BenchRow> rows = {BenchRow::pulling_alone, BenchRow::step_alone, BenchRow::one_worker,
                                BenchRow::autotune, BenchRow::cached};
  int max_workers = 64;                                // The most that AUTOTUNE takes.
  std::int64_t cache_bytes = std::int64_t{256} << 20;  // The most that the cached batches may take.
  OnInterrupt on_interrupt = OnInterrupt::exit;
};

struct BenchResult {
  BenchRow row{};
  FeedReport report;  // Of the batches that were counted. `pulling_alone` has no steps.
  double seconds_per_batch = 0.0;
  std::string note{};  // What to know of it: "the source is not pure: one worker".

  std::string name() const { return name_of(row); }
  double samples_per_second() const;
};

struct FeedBench {
  std::vector<BenchResult> rows;
  std::int64_t batch_size = 0;
  std::int64_t batch_bytes = 0;
  std::string device{};

  // Returns the row; null where it was not measured, or gave no batch.
  const BenchResult* find(BenchRow row) const;
  std::string text() const;     // A table.
  std::string to_json() const;  // One JSON object.
};

// Measures the rows that the options name. Throws ValueError for a model that is not compiled, and
// for options out of range.
FeedBench bench_feed(Model& model, SourceHandle source, BenchOptions options = {});

// How much of one thing there is.
struct Roof {
  std::string name;                 // "generator, 1 worker"
  double batches_per_second = 0.0;  // The most that this part alone allows.
};

struct Diagnosis {
  FeedBench bench;
  // What each part allows by itself; no fit is faster than the least of them.
  std::vector<Roof> roofs;
  FeedReport report;  // Of the fit with one worker, whose verdict and advice these are.

  // Returns the roofs as a chart of bars, the verdict, and what the other rows say of its advice.
  std::string text(int columns = 80) const;
  std::string to_json() const;
};

// Runs all rows of bench_feed() and says what holds the training back.
Diagnosis diagnose(Model& model, SourceHandle source, BenchOptions options = {});

}  // namespace stoker
