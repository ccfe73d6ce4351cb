// Generate, upload and step on the simulated device, each on a resource of its own: what a batch
// takes against the slowest of the three. 1.0 is perfect overlap; without any it is their sum.
#include <benchmark/benchmark.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace {

using namespace stoker;  // NOLINT(google-build-using-namespace)

constexpr std::int64_t kSteps = 200;
constexpr std::int64_t kColumns = 4096;
constexpr std::int64_t kRows = 64;

// Sleeps, and spins at the end: a sleep alone lasts longer than it is told to.
void pass_time(double seconds) {
  const auto end =
      std::chrono::steady_clock::now() +
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds));
  std::this_thread::sleep_until(end - std::chrono::microseconds(300));
  while (std::chrono::steady_clock::now() < end) {
  }
}

// Arguments: microseconds to generate, upload and step.
void overlap(benchmark::State& state) {
  const double generate = 1e-6 * static_cast<double>(state.range(0));
  const double upload = 1e-6 * static_cast<double>(state.range(1));
  const double step = 1e-6 * static_cast<double>(state.range(2));
  const double bytes = 4.0 * static_cast<double>(kRows * (kColumns + 1));
  Sequential model({Input({kColumns}), Dense(1)},
                   {.threads = 1,
                    .device = Device::simulated(
                        {.upload_bytes_per_second = bytes / upload, .step_seconds = step})});
  model.compile({.optimizer = SGD({.learning_rate = 0.0}), .loss = "mse"});
  auto batches = generator<float, float>(
      {.x = {kRows, kColumns}, .y = {kRows, 1}},
      [generate](BatchContext&, std::span<float>, std::span<float>) { pass_time(generate); });
  model.fit_generator(batches, {.steps_per_epoch = 3, .verbose = 0});  // makes the plan
  for (auto _ : state) {
    model.fit_generator(batches, {.steps_per_epoch = kSteps, .verbose = 0});
  }
  const double ideal = std::max({generate, upload, step}) * static_cast<double>(kSteps);
  state.counters["of_the_slowest"] =
      benchmark::Counter(ideal * static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

BENCHMARK(overlap)
    ->Args({5000, 5000, 5000})
    ->Args({20000, 20000, 20000})
    ->Args({5000, 1250, 1250})
    ->Args({1250, 5000, 1250})
    ->Args({1250, 1250, 5000})
    ->Iterations(3)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
