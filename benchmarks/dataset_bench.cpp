// Compares the stages of a Dataset with a loop by hand that does the same: elements a second, on
// one thread, of a slot that is filled again and again. Then a map without and with threads of its
// own, over elements that take no time or 20 microseconds each.
#include <benchmark/benchmark.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <span>
#include <vector>

namespace {

using namespace stoker;  // NOLINT(google-build-using-namespace)

constexpr std::int64_t kElements = 4096;
constexpr std::int64_t kBatch = 64;

struct Data {
  explicit Data(std::int64_t width)
      : x(Tensor::uniform({kElements, width})), y(Shape{kElements}, DType::int32) {}
  Tensor x;
  Tensor y;
};

// The stages are from_tensor_slices, shuffle, map and batch. The map writes the rows of the slot.
void pipeline(benchmark::State& state) {
  const Data data(state.range(0));
  const auto batches = Dataset<float, std::int32_t>::from_tensor_slices({data.x, data.y})
                           .shuffle(kElements, 1)
                           .map([](std::span<float> x, std::span<std::int32_t>) {
                             for (float& value : x) value *= 2.0f;
                           })
                           .batch(kBatch);
  const SourceHandle source = batches;
  std::vector<float> x(static_cast<std::size_t>(kBatch * state.range(0)));
  std::vector<std::int32_t> y(kBatch);
  std::byte* fields[] = {reinterpret_cast<std::byte*>(x.data()),
                         reinterpret_cast<std::byte*>(y.data())};
  BatchContext batch;
  for (auto _ : state) {
    source.source()->fill(batch, Slot(source.source()->spec(), fields));
    batch.index = (batch.index + 1) % (kElements / kBatch);
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(pipeline)->ArgName("width")->Arg(16)->Arg(784);

void by_hand(benchmark::State& state) {
  const Data data(state.range(0));
  const auto width = static_cast<std::size_t>(state.range(0));
  std::vector<std::size_t> order(kElements);
  std::iota(order.begin(), order.end(), std::size_t{0});
  Random random(1);
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1],
              order[static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(i)))]);
  }
  const std::span<const float> from = data.x.data<float>();
  const std::span<const std::int32_t> labels = data.y.data<std::int32_t>();
  std::vector<float> x(kBatch * width);
  std::vector<std::int32_t> y(kBatch);
  std::size_t at = 0;
  for (auto _ : state) {
    for (std::size_t row = 0; row < y.size(); ++row) {
      const std::size_t element = order[at++ % order.size()];
      for (std::size_t i = 0; i < width; ++i) x[row * width + i] = 2.0f * from[element * width + i];
      y[row] = labels[element];
    }
    benchmark::DoNotOptimize(x.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(by_hand)->ArgName("width")->Arg(16)->Arg(784);

// Works for so many nanoseconds.
void work(std::int64_t ns) {
  if (ns == 0) return;
  const auto end = std::chrono::steady_clock::now() + std::chrono::nanoseconds(ns);
  while (std::chrono::steady_clock::now() < end) {
  }
}

// The arguments are the nanoseconds of an element and the map's workers, 0 for none of its own.
void map_with_workers(benchmark::State& state, const Dataset<std::int32_t>& elements) {
  const std::int64_t ns = state.range(0);
  MapOptions options;
  if (state.range(1) > 0) options.workers = static_cast<int>(state.range(1));
  const auto mapped = elements.map(
      [ns](std::span<std::int32_t> x) {
        x[0] += 1;
        work(ns);
      },
      options);
  std::int64_t count = 0;
  for (auto _ : state) {
    mapped.for_each([&](std::span<const std::int32_t>) { ++count; });
  }
  state.SetItemsProcessed(count);
}
void map_of_a_stream(benchmark::State& state) {
  const std::int32_t count = state.range(0) > 0 ? 4000 : 400000;
  map_with_workers(state, Dataset<std::int32_t>::from_generator({Shape{}}, [count](std::int64_t) {
                     return [count, next = 0](std::span<std::int32_t> out) mutable {
                       out[0] = next;
                       return next++ < count;
                     };
                   }));
}
void map_of_numbers(benchmark::State& state) {
  map_with_workers(state, range(state.range(0) > 0 ? 4000 : 400000));
}
void threads(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"ns", "workers"})->UseRealTime()->MeasureProcessCPUTime();
  for (const std::int64_t ns : {0, 20000}) {
    for (const std::int64_t workers : {0, 1, 2}) benchmark->Args({ns, workers});
  }
}
BENCHMARK(map_of_a_stream)->Apply(threads);
BENCHMARK(map_of_numbers)->Apply(threads);

}  // namespace

BENCHMARK_MAIN();
