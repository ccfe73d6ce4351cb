// A benchmark of one's own model and source with Google Benchmark: pulling alone, the step alone, a
// fit with one worker, one with AUTOTUNE, and one on batches that are ready in memory.
//   feed_benchmark --benchmark_min_time=1
// `feed_benchmark diagnose` prints what holds this training back instead (stoker/bench.h).
#include <stoker/bench_fixture.h>
#include <stoker/stoker.h>

#include <cmath>
#include <string>

using namespace stoker;

namespace {

Model make_classifier() {
  Sequential model({Input({28, 28, 1}), Flatten(), Dense(128, {.activation = "relu"}),
                    Dense(10, {.activation = "softmax"})});
  model.compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy"});
  return model;
}

// Makes pictures that cost some time to make, as decoding or augmenting them would.
SourceHandle make_pictures() {
  return generator<float, std::int32_t>(
      {.x = {128, 28, 28, 1}, .y = {128}},
      [](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        batch.random.fill_uniform(x);
        for (float& value : x) value = std::pow(value, 2.2f);
        for (std::size_t row = 0; row < y.size(); ++row) y[row] = static_cast<int>(row % 10);
      });
}

class Pictures : public FeedFixture {
  Model make_model() override { return make_classifier(); }
  SourceHandle make_source() override { return make_pictures(); }
};

}  // namespace

STOKER_FEED_BENCHMARKS(Pictures);

int main(int argc, char** argv) {
  if (argc == 2 && std::string(argv[1]) == "diagnose") {
    Model model = make_classifier();
    std::cout << diagnose(model, make_pictures()).text();
    return 0;
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
