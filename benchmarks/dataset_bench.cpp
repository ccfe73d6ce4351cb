// Compares the stages of a Dataset with a loop by hand that does the same: elements a second, on
// one thread, of a slot that is filled again and again.
#include <benchmark/benchmark.h>
#include <stoker/stoker.h>

#include <algorithm>
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

}  // namespace

BENCHMARK_MAIN();
