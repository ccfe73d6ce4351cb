// The rows of stoker/bench.h as benchmarks of Google Benchmark, for a model and a source of the
// program's own. The program links benchmark::benchmark; stoker/stoker.h does not include this
// header.
//
//   class Mnist : public stoker::FeedFixture {
//     stoker::Model make_model() override { ... }           // compiled
//     stoker::SourceHandle make_source() override { ... }
//   };
//   STOKER_FEED_BENCHMARKS(Mnist);
//   BENCHMARK_MAIN();
//
// gives Mnist/pulling_alone, Mnist/step_alone, Mnist/one_worker, Mnist/autotune and Mnist/cached.
// An iteration is a batch, and the time of an iteration is that of a batch; counters give samples
// per second, the share of its time in which the step waited, and the workers at the end.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <optional>
#include <typeindex>
#include <typeinfo>

#include "stoker/bench.h"

namespace stoker {

class FeedFixture : public benchmark::Fixture {
 public:
  virtual Model make_model() = 0;
  virtual SourceHandle make_source() = 0;

 protected:
  // Model and source are made once for all benchmarks of a fixture that follow each other.
  void measure(benchmark::State& state, BenchRow row) {
    if (!made_ || made_->fixture != typeid(*this)) {
      made_.reset();
      made_.emplace(Made{typeid(*this), make_model(), make_source()});
    }
    const auto batches = static_cast<std::int64_t>(state.max_iterations);
    const FeedBench bench =
        bench_feed(made_->model, made_->source, {.batches = batches, .rows = {row}});
    const BenchResult* result = bench.find(row);
    if (result == nullptr) {
      state.SkipWithError("this source has no such row");
      return;
    }
    for (auto _ : state) state.SetIterationTime(result->seconds_per_batch);
    state.counters["samples/s"] = result->samples_per_second();
    state.counters["workers"] = result->report.workers;
    if (row == BenchRow::pulling_alone) return;
    const double computed = result->report.computed / static_cast<double>(result->report.batches);
    state.counters["waited"] = 1.0 - computed / result->seconds_per_batch;
  }

 private:
  struct Made {
    std::type_index fixture;
    Model model;
    SourceHandle source;
  };
  static inline std::optional<Made> made_{};
};

}  // namespace stoker

// One benchmark for each row.
#define STOKER_FEED_BENCHMARK(Fixture, Row)                    \
  BENCHMARK_DEFINE_F(Fixture, Row)(benchmark::State & state) { \
    measure(state, stoker::BenchRow::Row);                     \
  }                                                            \
  BENCHMARK_REGISTER_F(Fixture, Row)->UseManualTime()->Unit(benchmark::kMillisecond)
#define STOKER_FEED_BENCHMARKS(Fixture)          \
  STOKER_FEED_BENCHMARK(Fixture, pulling_alone); \
  STOKER_FEED_BENCHMARK(Fixture, step_alone);    \
  STOKER_FEED_BENCHMARK(Fixture, one_worker);    \
  STOKER_FEED_BENCHMARK(Fixture, autotune);      \
  STOKER_FEED_BENCHMARK(Fixture, cached)
