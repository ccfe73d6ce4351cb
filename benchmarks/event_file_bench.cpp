// Event files for TensorBoard: how many scalars a second, written many at a time as an epoch's are,
// and one at a time as those of steps are.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "io/event_file.h"

namespace {

constexpr std::int64_t kScalars = 100'000;

void write_scalars(benchmark::State& state) {
  const bool flushes_each = state.range(0) != 0;
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("stoker-event-bench-" + std::to_string(getpid()));
  for ([[maybe_unused]] auto repetition : state) {
    stoker::io::EventFile file(folder);
    for (std::int64_t i = 0; i < kScalars; ++i) {
      file.scalar(i, "batch_loss", 0.5 * static_cast<double>(i));
      if (flushes_each) file.flush();
    }
    file.flush();
    state.PauseTiming();
    std::filesystem::remove(file.path());
    state.ResumeTiming();
  }
  std::filesystem::remove_all(folder);
  state.SetItemsProcessed(state.iterations() * kScalars);
}
BENCHMARK(write_scalars)->ArgName("one_at_a_time")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
