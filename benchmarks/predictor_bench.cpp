// Measures predictions of one model by several threads, each with a predictor of its own. Their
// common throughput should grow with the number of threads, up to that of the cores.
#include <benchmark/benchmark.h>
#include <stoker/stoker.h>

namespace stoker {
namespace {

Sequential make_mlp() {
  return Sequential({Input({784}), Dense(256, {.activation = "relu"}),
                     Dense(128, {.activation = "relu"}), Dense(10, {.activation = "softmax"})},
                    {.threads = 1, .device = Device::cpu()});
}

// Measures the rows a second of all threads together.
void predict(benchmark::State& state) {
  static Sequential model = make_mlp();
  const Tensor x = Tensor::normal({state.range(0), 784});
  Predictor predictor = model.predictor();
  for (auto _ : state) {
    benchmark::DoNotOptimize(predictor.predict(x));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(predict)->Arg(1)->Arg(32)->ThreadRange(1, 8)->UseRealTime();

}  // namespace
}  // namespace stoker

BENCHMARK_MAIN();
