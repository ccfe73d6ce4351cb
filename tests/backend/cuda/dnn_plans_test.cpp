// What cuDNN makes of our specs on GPUs that are not there: plans from device_properties/*.json,
// with null_driver.c for a driver. dnn_plans.golden lists what to expect; after a change that is
// meant, or with another cuDNN, write it anew (one test after the other, each its own part):
//   STOKER_WRITE_GOLDEN=1 ctest --preset cuda -j1 -R DnnPlans
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "backend/cuda/dnn_cases.h"
#include "backend/cuda/plan/dnn_specs.h"
#include "backend/cuda/runtime/cudnn_plan.h"
#include "backend/cuda/runtime/plan_cache.h"
#include "core/format.h"
#include "device/cuda/libraries.h"
#include "ops/tail.h"
#include "stoker/error.h"
#include "support/source_folder.h"

namespace stoker::backend::cuda {
namespace {

using test::DnnCase;

const std::filesystem::path& folder() {
  static const std::filesystem::path path = test::source_folder() / "tests/backend/cuda";
  return path;
}

DnnTarget target_of(const std::string& device) {
  std::ifstream file(folder() / "device_properties" / (device + ".json"));
  return DnnTarget::of_properties({std::istreambuf_iterator<char>(file), {}});
}

// ---- The list: for each device and case a verdict for each of these -----------------------------

struct Numbers {
  const char* name;
  DnnTypes types;
};
const std::array<Numbers, 4>& columns() {
  static const std::array<Numbers, 4> all{{{"tf32", DnnTypes::all(DType::float32)},
                                           {"float32", DnnTypes::all(DType::float32, false)},
                                           {"bfloat16", DnnTypes::all(DType::bfloat16)},
                                           {"float16", DnnTypes::all(DType::float16)}}};
  return all;
}

// A verdict is what workspace may cost, in steps that small changes inside cuDNN stay within.
struct Step {
  const char* name;
  std::size_t bytes;
};
constexpr std::array<Step, 6> kSteps{{{"0", 0},
                                      {"1KiB", std::size_t{1} << 10},
                                      {"64KiB", std::size_t{64} << 10},
                                      {"1MiB", std::size_t{1} << 20},
                                      {"8MiB", std::size_t{8} << 20},
                                      {"64MiB", std::size_t{64} << 20}}};
constexpr const char* kRefused = "no";

std::size_t rank_of(const std::string& verdict) {
  const auto step =
      std::find_if(kSteps.begin(), kSteps.end(), [&](const Step& s) { return s.name == verdict; });
  return static_cast<std::size_t>(step - kSteps.begin());
}
std::string verdict_of(const DnnPlan* plan) {
  if (!plan) return kRefused;
  for (const Step& step : kSteps) {
    if (plan->workspace_bytes() <= step.bytes) return step.name;
  }
  return "more";
}

using Row = std::array<std::string, 4>;   // a verdict a column
using Rows = std::map<std::string, Row>;  // by name of the case

std::string line_of(const std::string& device, const std::string& name, const Row& row) {
  std::ostringstream out;
  out << std::left << std::setw(9) << device;
  for (const std::string& verdict : row) out << std::setw(9) << verdict;
  out << name << '\n';
  return out.str();
}

std::filesystem::path golden_path() { return folder() / "dnn_plans.golden"; }

Rows read_golden(const std::string& device) {
  Rows rows;
  std::ifstream file(golden_path());
  for (std::string line; std::getline(file, line);) {
    std::istringstream in(line);
    std::string name;
    Row row;
    in >> name;
    if (name != device) continue;
    for (std::string& verdict : row) in >> verdict;
    std::getline(in >> std::ws, name);
    rows[name] = row;
  }
  return rows;
}

void write_golden(const std::string& device, const std::vector<std::string>& names,
                  const Rows& rows) {
  std::string kept;
  std::ifstream old(golden_path());
  for (std::string line; std::getline(old, line);) {
    if (!line.starts_with('#') && !line.starts_with(device + ' ')) kept += line + '\n';
  }
  old.close();
  std::ofstream file(golden_path());
  file << "# Written by dnn_plans_test with cuDNN " << device::cudnn().version
       << ". By type: at most this much workspace, or refused (no).\n#\n";
  file << line_of("# device", "case", {"tf32", "float32", "bfloat16", "float16"}) << kept;
  for (const std::string& name : names) file << line_of(device, name, rows.at(name));
}

// ---- Asking cuDNN
// --------------------------------------------------------------------------------

// Every case on two devices; on the others, which take and refuse mostly the same, all matrix
// products and some convolutions.
bool is_asked(const std::string& device, const std::string& name) {
  if (device == "h200" || device == "a100" || !name.starts_with("conv")) return true;
  for (const char* part :
       {"3x3 from 1", "3x3 from 32", "stride 2 from 32", "4 groups", "wise 64"}) {
    if (name.find(part) != std::string::npos) return true;
  }
  return false;
}

// Kernels compiled at run time cost up to a second each. That a plan can be finished is tried with
// float32 on one device; that an engine claims support must do for the others.
bool is_compiled(const std::string& device, const Numbers& numbers) {
  return device == "h200" && numbers.types.operands == DType::float32;
}

std::vector<DnnCase> cases_of(const std::string& device, const DnnTypes& types) {
  std::vector<DnnCase> asked;
  for (auto* cases : {&test::dnn_matmul_cases, &test::dnn_matmul_as_conv_cases,
                      &test::dnn_batched_matmul_cases, &test::dnn_conv_cases}) {
    for (DnnCase& c : cases(types)) {
      if (is_asked(device, c.name)) asked.push_back(std::move(c));
    }
  }
  return asked;
}

class DnnPlans : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!device::cudnn().problem.empty()) GTEST_SKIP() << device::cudnn().problem;
  }
};
INSTANTIATE_TEST_SUITE_P(Devices, DnnPlans,
                         testing::Values("t4", "a100", "rtx4090", "h100", "h200", "b200",
                                         "rtx5090"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(DnnPlans, are_those_listed) {
  const std::string device = GetParam();
  const DnnTarget target = target_of(device);
  const bool writes = std::getenv("STOKER_WRITE_GOLDEN") != nullptr;
  const Rows golden = writes ? Rows() : read_golden(device);
  std::vector<std::string> names;
  Rows rows;
  for (std::size_t column = 0; column < columns().size(); ++column) {
    const Numbers& numbers = columns()[column];
    for (const DnnCase& c : cases_of(device, numbers.types)) {
      std::string refusal;
      const auto plan = DnnPlan::make(c.spec, target, {}, &refusal, is_compiled(device, numbers));
      const std::string verdict = verdict_of(plan.get());
      if (column == 0) names.push_back(c.name);
      rows[c.name][column] = verdict;
      if (writes) continue;
      const auto row = golden.find(c.name);
      ASSERT_TRUE(row != golden.end()) << c.name << " is not in the list for " << device;
      const std::string& expected = row->second[column];
      const std::string what = format(device, ' ', numbers.name, ' ', c.name, " with cuDNN ",
                                      device::cudnn().version, '\n');
      if (verdict == kRefused || expected == kRefused) {
        EXPECT_EQ(verdict, expected) << what << refusal;
      } else {
        EXPECT_LE(rank_of(verdict), rank_of(expected))
            << what << plan->engine() << " wants " << plan->workspace_bytes() << " bytes";
      }
    }
  }
  if (writes) return write_golden(device, names, rows);
  EXPECT_EQ(rows.size(), golden.size()) << "the list has cases for " << device << " that are gone";
}

// ---- Options and refusals
// ------------------------------------------------------------------------

class DnnPlanOf : public testing::Test {
 protected:
  void SetUp() override {
    if (!device::cudnn().problem.empty()) GTEST_SKIP() << device::cudnn().problem;
  }
  static DnnSpec convolution(std::int64_t channels) {
    ops::Conv2DAttributes attributes;
    attributes.tail = ops::sum_and_relu(true, false);
    DnnSpec spec = conv2d_spec({32, 14, 14, 32}, {3, 3, 32, 64}, attributes,
                               DnnTypes::all(DType::float32, false));
    spec.b.dims[1] = channels;
    return spec;
  }
};

TEST_F(DnnPlanOf, stays_within_the_workspace_limit) {
  const DnnTarget target = target_of("h200");
  std::string refusal;
  const auto free = DnnPlan::make(convolution(32), target, {}, &refusal);
  ASSERT_TRUE(free) << refusal;
  ASSERT_GT(free->workspace_bytes(), 0U) << "this test needs a spec whose best engine wants some";
  const auto tight = DnnPlan::make(convolution(32), target, {.workspace_limit = 0}, &refusal);
  ASSERT_TRUE(tight) << refusal;
  EXPECT_EQ(tight->workspace_bytes(), 0U);
  EXPECT_NE(tight->engine(), free->engine());
}

// Why channels are not padded before cuDNN gets them: it does that itself, in its workspace, where
// the engine that it proposes first wants it. docs/adr/0014.
TEST_F(DnnPlanOf, odd_channels_come_padded_to_tensor_cores) {
  const Shape x{128, 28, 28, 31}, kernel{3, 3, 31, 32};
  for (const char* device : {"a100", "rtx4090", "h100", "h200", "b200", "rtx5090"}) {
    const DnnTarget target = target_of(device);
    for (const DType dtype : {DType::bfloat16, DType::float16, DType::float32}) {
      const DnnSpec spec = conv2d_spec(x, kernel, {}, DnnTypes::all(dtype));
      std::string refusal;
      const auto best = DnnPlan::make(spec, target, {}, &refusal, false);
      ASSERT_TRUE(best) << refusal;
      const auto plain = DnnPlan::make(spec, target, {.tensor_cores = false}, &refusal, false);
      const std::string what = format(device, ' ', dtype, ": ", best->engine());
      EXPECT_TRUE(!plain || plain->engine() != best->engine()) << what;
      EXPECT_GE(best->workspace_bytes(), 128U * 28 * 28 * 32 * size_of(dtype)) << what;
    }
  }
}

TEST_F(DnnPlanOf, few_channels_need_no_workspace_in_16_bits) {
  for (const char* device : {"a100", "rtx4090", "h100", "h200", "b200", "rtx5090"}) {
    const DnnTarget target = target_of(device);
    for (const DType dtype : {DType::bfloat16, DType::float16}) {
      for (const std::int64_t channels : {1, 3}) {
        const DnnSpec spec =
            conv2d_spec({128, 28, 28, channels}, {3, 3, channels, 32}, {}, DnnTypes::all(dtype));
        std::string refusal;
        const auto best = DnnPlan::make(spec, target, {}, &refusal, false);
        ASSERT_TRUE(best) << refusal;
        EXPECT_EQ(best->workspace_bytes(), 0U) << format(device, ' ', dtype, ' ', channels);
      }
    }
  }
}

TEST_F(DnnPlanOf, nonsense_is_refused_with_its_spec) {
  std::string refusal;
  const DnnSpec spec = convolution(31);  // the image has 32
  EXPECT_FALSE(DnnPlan::make(spec, target_of("h200"), {}, &refusal));
  EXPECT_NE(refusal.find(spec.text()), std::string::npos) << refusal;
}

TEST_F(DnnPlanOf, properties_that_are_none_throw) {
  EXPECT_THROW(DnnTarget::of_properties("{}"), DeviceError);
}

TEST_F(DnnPlanOf, equal_specs_is_the_same_plan) {
  CudnnCompiler compiler(target_of("h200"));
  const auto plan = compiler.plan(convolution(32));
  ASSERT_TRUE(plan) << compiler.refusal(convolution(32));
  EXPECT_EQ(compiler.plan(convolution(32)), plan);
  EXPECT_EQ(compiler.workspace_of(convolution(32)), plan->workspace_bytes());
  EXPECT_EQ(compiler.workspace_of(convolution(31)), std::nullopt);
  EXPECT_NE(compiler.refusal(convolution(31)), "");
}

}  // namespace
}  // namespace stoker::backend::cuda
