// Measures random numbers: GB/s of words in blocks, of uniform floats in bulk, and one at a time.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include "stoker/random.h"

namespace {

// This is a generator's batch of 32 images of 28 x 28, about 100 kB.
constexpr std::size_t kCount = std::size_t{32} * 28 * 28;

void count_bytes(benchmark::State& state, std::size_t width) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kCount * width));
}

void philox_fill(benchmark::State& state) {
  std::vector<std::uint32_t> words(kCount);
  std::uint64_t block = 0;
  for (auto _ : state) {
    stoker::philox_fill(words, 1, 2, 3, block);
    block += kCount / 4;
    benchmark::DoNotOptimize(words.data());
    benchmark::ClobberMemory();
  }
  count_bytes(state, sizeof(std::uint32_t));
}
BENCHMARK(philox_fill);

void fill_uniform(benchmark::State& state) {
  stoker::Random random(1);
  std::vector<float> values(kCount);
  for (auto _ : state) {
    random.fill_uniform(values);
    benchmark::DoNotOptimize(values.data());
    benchmark::ClobberMemory();
  }
  count_bytes(state, sizeof(float));
}
BENCHMARK(fill_uniform);

void uniform_one_at_a_time(benchmark::State& state) {
  stoker::Random random(1);
  std::vector<float> values(kCount);
  for (auto _ : state) {
    for (float& value : values) value = random.uniform();
    benchmark::DoNotOptimize(values.data());
    benchmark::ClobberMemory();
  }
  count_bytes(state, sizeof(float));
}
BENCHMARK(uniform_one_at_a_time);

void fill_normal(benchmark::State& state) {
  stoker::Random random(1);
  std::vector<float> values(kCount);
  for (auto _ : state) {
    random.fill_normal(values);
    benchmark::DoNotOptimize(values.data());
    benchmark::ClobberMemory();
  }
  count_bytes(state, sizeof(float));
}
BENCHMARK(fill_normal);

void integer_one_at_a_time(benchmark::State& state) {
  stoker::Random random(1);
  std::vector<std::int32_t> values(kCount);
  for (auto _ : state) {
    for (auto& value : values) value = static_cast<std::int32_t>(random.integer(0, 10));
    benchmark::DoNotOptimize(values.data());
    benchmark::ClobberMemory();
  }
  count_bytes(state, sizeof(std::int32_t));
}
BENCHMARK(integer_one_at_a_time);

}  // namespace

BENCHMARK_MAIN();
