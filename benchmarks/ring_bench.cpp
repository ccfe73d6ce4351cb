// Measures the ring's overhead: batches a second from one producer, and the time that a batch costs
// the step that takes it. The aims are 200,000 small batches a second, and at most 2 microseconds a
// batch.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "core/timeline.h"
#include "feed/feed.h"
#include "stoker/generator.h"

namespace {

using namespace stoker;  // NOLINT(google-build-using-namespace)

void work_for(std::int64_t nanoseconds) {
  if (nanoseconds == 0) return;
  const std::int64_t end = now_ns() + nanoseconds;
  while (now_ns() < end) {
  }
}

// Makes batches of (1, 4) floats that take `generate_ns` each.
feed::Feed make_feed(device::Device& device, std::int64_t generate_ns, int max_queue_size) {
  auto source = generator<float>({.x = {1, 4}}, [generate_ns](BatchContext&, std::span<float> x) {
                  work_for(generate_ns);
                  x[0] = 1.0f;
                }).source();
  return {std::move(source),
          {.steps_per_epoch = std::int64_t{1} << 60, .max_queue_size = max_queue_size},
          device};
}

// Measures the ring alone. The arguments are the nanoseconds to generate a batch, those to compute
// on it, and the queue size.
void batches(benchmark::State& state) {
  const auto device = device::make_cpu_device();
  feed::Feed feed = make_feed(*device, state.range(0), static_cast<int>(state.range(2)));
  for (auto _ : state) {
    const std::optional<feed::Batch> batch = feed.next();
    work_for(state.range(1));
    feed.release(*batch);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(batches)
    ->ArgNames({"generate_ns", "compute_ns", "queue"})
    ->Args({0, 0, 10})
    ->Args({0, 0, 1})
    ->Args({3000, 0, 10})
    ->Args({0, 3000, 10})
    ->Args({3000, 3000, 10})
    ->UseRealTime();

// Measures only the time in next() and release(), with the producer ahead, which is the time that
// the step loses to the feed.
void cost_to_the_step(benchmark::State& state) {
  const auto device = device::make_cpu_device();
  feed::Feed feed = make_feed(*device, 1000, static_cast<int>(state.range(1)));
  for (auto _ : state) {
    const std::int64_t begin = now_ns();
    const std::optional<feed::Batch> batch = feed.next();
    const std::int64_t taken = now_ns();
    work_for(state.range(0));
    const std::int64_t computed = now_ns();
    feed.release(*batch);
    state.SetIterationTime(1e-9 * static_cast<double>(now_ns() - computed + taken - begin));
  }
}
BENCHMARK(cost_to_the_step)
    ->ArgNames({"compute_ns", "queue"})
    ->Args({10'000, 10})
    ->Args({100'000, 10})
    ->Args({1'000'000, 10})
    ->Args({10'000, 1})
    ->UseManualTime();

void start_and_stop(benchmark::State& state) {
  const auto device = device::make_cpu_device();
  for (auto _ : state) {
    feed::Feed feed = make_feed(*device, 0, 10);
    feed.release(*feed.next());
  }
}
BENCHMARK(start_and_stop)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
