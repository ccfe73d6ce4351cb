// Kernels made from expressions: the text that NVRTC gets, compiled by g++ behind the emulator and
// run against the meaning of expressions in double, and against the CPU backend's bits.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>

#include "backend/cuda/codegen/codegen.h"
#include "backend/cuda/codegen_cases.h"

namespace stoker {
namespace {

using backend::cuda::GeneratedLaunch;
using graph::Expr;
using graph::Graph;
using graph::Value;
using test::LaunchCase;
using test::LaunchCases;

// A shared object of emulated kernels.
class Emulated {
 public:
  explicit Emulated(const LaunchCases& cases) {
    std::string directory = testing::TempDir() + "stoker-codegen-XXXXXX";
    if (mkdtemp(directory.data()) == nullptr) throw std::runtime_error("mkdtemp " + directory);
    directory_ = directory;
    write(cases);
    const std::string object = (directory_ / "kernels.so").string();
    const std::string log = (directory_ / "log").string();
    const std::string folder = STOKER_TESTS_FOLDER;
    std::ostringstream command;
    command << STOKER_CXX_COMPILER << " -std=c++20 -O1 -Wall -Wno-unknown-pragmas"
            << " -Wno-unused-function -fPIC -shared -I" << folder << " -I" << folder << "/../src"
            << " -I" << folder << "/../include " << (directory_ / "kernels.cpp").string() << " -o "
            << object << " > " << log << " 2>&1";
    const int status = std::system(command.str().c_str());
    std::ostringstream messages;
    messages << std::ifstream(log).rdbuf();
    EXPECT_EQ(status, 0) << command.str();
    EXPECT_EQ(messages.str(), "");
    library_ = dlopen(object.c_str(), RTLD_NOW | RTLD_LOCAL);
    EXPECT_NE(library_, nullptr) << dlerror();
  }
  ~Emulated() {
    // The library stays: its machine is a static object.
    std::filesystem::remove_all(directory_);
  }
  Emulated(const Emulated&) = delete;
  Emulated& operator=(const Emulated&) = delete;

  void run(const GeneratedLaunch& launch, const std::byte* parameters, std::uint64_t seed) const {
    using Run = void (*)(const std::byte*, unsigned, unsigned, unsigned, bool, std::uint64_t);
    const auto run = reinterpret_cast<Run>(dlsym(library_, ("run_" + launch.name).c_str()));
    ASSERT_NE(run, nullptr) << launch.name;
    run(parameters, launch.grid.blocks, launch.grid.threads, launch.grid.shared_bytes,
        launch.has_barriers, seed);
  }
  bool is_loaded() const { return library_ != nullptr; }

 private:
  void write(const LaunchCases& cases) const {
    std::ofstream out(directory_ / "kernels.cpp");
    out << "#include \"backend/cuda/emulation/cuda_emulation.h\"\n"
        << backend::cuda::generated_prelude();
    std::set<std::string> written;
    for (const auto& c : cases) {
      const GeneratedLaunch& launch = c->launch();
      if (!written.insert(launch.name).second) continue;
      out << launch.source << "extern \"C\" void run_" << launch.name
          << "(const std::byte* parameters, unsigned blocks, unsigned threads, unsigned shared,\n"
             "    bool has_barriers, std::uint64_t seed) {\n  "
          << launch.name << "_params p;\n  std::memcpy(&p, parameters, sizeof p);\n"
          << "  stoker::emulation::reseed(seed);\n  stoker::emulation::run(" << launch.name
          << ", blocks, threads, shared, has_barriers, p);\n}\n";
    }
  }

  std::filesystem::path directory_;
  void* library_ = nullptr;
};

TEST(Codegen, computes_what_expressions_mean) {
  const LaunchCases cases = test::launch_cases();
  const Emulated emulated(cases);
  ASSERT_TRUE(emulated.is_loaded());
  for (const auto& c : cases) {
    c->check([&](const GeneratedLaunch& launch, const std::byte* parameters, std::uint64_t seed) {
      emulated.run(launch, parameters, seed);
    });
  }
}

// ---- The text and the launch ----

GeneratedLaunch launch_of(const std::function<void(LaunchCase&)>& build) {
  LaunchCase c("launch");
  build(c);
  return c.launch();
}

TEST(Codegen, gives_equal_kernels_one_name) {
  const auto scaled = [](std::int64_t n, float by) {
    return launch_of([=](LaunchCase& c) { ops::map(c.leaf({n}), [=](Expr x) { return x * by; }); });
  };
  const GeneratedLaunch launch = scaled(64, 2.0f);
  EXPECT_EQ(launch.name.rfind("generated_", 0), 0U);
  EXPECT_EQ(launch.name.size(), 26U);
  EXPECT_NE(launch.source.find("void __launch_bounds__(256) " + launch.name + "("),
            std::string::npos);
  EXPECT_EQ(scaled(64, 2.0f).source, launch.source);
  EXPECT_NE(scaled(64, 3.0f).name, launch.name);
  EXPECT_NE(scaled(65, 2.0f).name, launch.name);
}

TEST(Codegen, names_each_pointer_once) {
  const GeneratedLaunch launch = launch_of([](LaunchCase& c) {
    const Value x = c.leaf({64});
    ops::map(x, [](Expr e) { return e * e; });
    ops::map(x, [](Expr e) { return e + 1.0f; });
  });
  ASSERT_EQ(launch.arguments.pointers.size(), 3U);
  EXPECT_EQ(launch.arguments.bytes.size(), 3 * sizeof(void*));
  for (std::size_t k = 0; k < 3; ++k) {
    EXPECT_EQ(launch.arguments.pointers[k].at, k * sizeof(void*));
  }
}

TEST(Codegen, tells_which_launches_have_barriers) {
  const auto with_barriers = [](const std::function<void(LaunchCase&)>& build) {
    return launch_of(build).has_barriers;
  };
  EXPECT_FALSE(with_barriers(
      [](LaunchCase& c) { ops::map(c.leaf({9000}), [](Expr x) { return exp(x); }); }));
  EXPECT_FALSE(with_barriers([](LaunchCase& c) { ops::reduce_sum(c.leaf({9000, 3}), {1}); }));
  EXPECT_TRUE(with_barriers([](LaunchCase& c) { ops::reduce_sum(c.leaf({9000, 100}), {1}); }));
  EXPECT_TRUE(with_barriers([](LaunchCase& c) { ops::reduce_sum(c.leaf({9000, 3}), {0}); }));
}

TEST(Codegen, cuts_work_into_blocks_by_its_size) {
  const auto blocks = [](std::int64_t n) {
    return launch_of([=](LaunchCase& c) { ops::map(c.leaf({n}), [](Expr x) { return exp(x); }); })
        .grid.blocks;
  };
  EXPECT_EQ(blocks(0), 1U);
  EXPECT_EQ(blocks(1024), 1U);
  EXPECT_EQ(blocks(1025), 2U);
  EXPECT_EQ(blocks(100'000'000), 1024U);
}

}  // namespace
}  // namespace stoker
