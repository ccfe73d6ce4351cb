// gtest's main for tests on a GPU, and the measurements of scripts/gpu-check.
//   --tests=FILE         runs the tests that FILE names, one a line
//   --describe           prints what there is: the device, cuDNN's properties of it
//   --measure=copies     prints how fast copies to the device are
//   --measure=A,B        prints how long steps of these workloads take
//   --rehearse           on the simulated device and the emulated backend
//   --library=FILE       with it: compiled kernels
//   --collect=FILE       writes the kernels that tests and workloads need, and compiles them:
//   --compile=FILE,LIBRARY
// Results are lines that begin with "RESULT " and go on with a JSON object. Exit status 75: the
// device is broken, and no test after the one that was printed last has run.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "backend/cuda/emulation/chosen_backend.h"
#include "backend/cuda/emulation/emulated_backend.h"
#include "backend/cuda/runtime/cudnn_plan.h"
#include "device/cuda_status.h"
#include "gpu/measure.h"
#include "support/device_under_test.h"

namespace {

using namespace stoker;  // NOLINT(google-build-using-namespace)

constexpr int kDeviceIsBroken = 75;

std::unique_ptr<backend::Backend> make_emulated(const std::shared_ptr<device::Device>& device,
                                                int threads) {
  if (device->reads_host_memory()) return backend::make_cpu_backend(threads);
  const char* cudnn = std::getenv("STOKER_CUDNN");
  const bool refuses = cudnn != nullptr && std::string_view(cudnn) == "0";
  return emulation::make_emulated_backend(refuses ? emulation::Dnn::refuses_all
                                                  : emulation::Dnn::accepts_all);
}

// A broken device fails all tests that follow: they are for a process that starts anew.
class StopsWhenBroken final : public testing::EmptyTestEventListener {
  void OnTestEnd(const testing::TestInfo& test) override {
    if (!test.result()->Failed()) return;
    try {
      test::device_under_test().device->make_stream()->synchronize();
    } catch (const std::exception& error) {
      std::cout << "The device is broken: " << error.what() << std::endl;
      std::_Exit(kDeviceIsBroken);
    }
  }
};

class Silence final : public testing::EmptyTestEventListener {};

std::string filter_from(const std::string& file) {
  std::ifstream lines(file);
  std::string filter;
  for (std::string line; std::getline(lines, line);) filter += (filter.empty() ? "" : ":") + line;
  return filter;
}

void describe() {
  const device::Device& device = *test::device_under_test().device;
  const bool is_cuda = device.kind() == device::Kind::cuda;
  gpu::print_result(
      {{"device", gpu::quoted(is_cuda ? device::cuda_status().line : device.name())}});
  // cuDNN's text is JSON already.
  if (is_cuda) gpu::print_result({{"properties", backend::cuda::properties_of_device(0)}});
}

int measure(const std::string& what, bool briefly) {
  if (what == "copies") {
    gpu::measure_copies(briefly);
    return EXIT_SUCCESS;
  }
  return gpu::measure_steps(what, briefly) ? EXIT_SUCCESS : EXIT_FAILURE;
}

int run(std::map<std::string, std::string>& options) {
  const bool rehearses = options.contains("--rehearse");
  std::optional<emulation::ChosenBackend> emulated;
  if (options.contains("--compile")) {
    const std::string files = options["--compile"];
    const std::size_t comma = files.find(',');
    emulation::compile_collected(files.substr(0, comma), files.substr(comma + 1));
    return EXIT_SUCCESS;
  }
  if (rehearses) {
    setenv("STOKER_DEVICE", "simulated", 1);
    test::device_under_test().device = device::make_simulated_device({});
    emulated.emplace(make_emulated);
    if (options.contains("--library")) emulation::use_library(options["--library"]);
    if (options.contains("--collect")) emulation::collect_into(options["--collect"]);
  } else if (!testing::GTEST_FLAG(list_tests)) {
    setenv("STOKER_DEVICE", "cuda", 1);
    test::device_under_test().device = device::make_cuda_device(0);
  }
  if (options.contains("--describe")) {
    describe();
    return EXIT_SUCCESS;
  }
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  if (options.contains("--collect")) {
    // Nothing runs, so that what fails means nothing.
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new Silence);
    const int ignored = RUN_ALL_TESTS();
    (void)ignored;
    gpu::compile_steps(options["--measure"]);
    return EXIT_SUCCESS;
  }
  if (options.contains("--measure")) return measure(options["--measure"], rehearses);
  if (options.contains("--tests")) testing::GTEST_FLAG(filter) = filter_from(options["--tests"]);
  listeners.Append(new StopsWhenBroken);
  return RUN_ALL_TESTS();
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::map<std::string, std::string> options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const std::size_t equals = argument.find('=');
    options[argument.substr(0, equals)] =
        equals == std::string::npos ? "" : argument.substr(equals + 1);
  }
  try {
    return run(options);
  } catch (const std::exception& error) {
    std::cerr << argv[0] << ": " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
