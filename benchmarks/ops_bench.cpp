// Measures every op by itself, on all cores: time, and arithmetic and bytes a second.
//
//   ops_bench [--tests] [--benchmark_filter=conv2d/cnn ...]
//
// The sizes are those of the benchmarks' workloads. With --tests the small cases that the tests
// check are measured too, where the tests are built.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <iostream>
#include <string>
#include <string_view>

#include "op_program.h"
#include "ops/workload_cases.h"

namespace {

using namespace stoker;  // NOLINT(google-build-using-namespace)

void measure(benchmark::State& state, const test::OpCase& c) {
  bench::OpProgram program(c);
  program.run();  // This run fills the libraries' own pools.
  for (auto _ : state) {
    program.run();
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(program.bytes()));
  if (program.flops() > 0.0) {
    state.counters["FLOP/s"] =
        benchmark::Counter(program.flops(), benchmark::Counter::kIsIterationInvariantRate);
  }
}

void add(const std::string& op, const test::OpCase& c) {
  benchmark::RegisterBenchmark((op + "/" + c.name).c_str(), measure, c)
      ->UseRealTime()
      ->Unit(benchmark::kMicrosecond);
}

}  // namespace

int main(int argc, char** argv) {
  bool with_tests = false;
  const auto is_ours = [&](const char* argument) {
    const bool found = std::string_view(argument) == "--tests";
    with_tests = with_tests || found;
    return found;
  };
  argc = static_cast<int>(std::remove_if(argv + 1, argv + argc, is_ours) - argv);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  for (const auto& [op, c] : cases::workload_cases()) add(op, c);
  if (with_tests) {
#ifdef STOKER_HAVE_TEST_CASES
    for (const auto& [op, list] : cases::all_cases()) {
      for (const auto& c : list()) add(std::string("tests/") + op, c);
    }
#else
    std::cerr << "ops_bench: --tests needs a build with -DSTOKER_BUILD_TESTS=ON\n";
    return 1;
#endif
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
