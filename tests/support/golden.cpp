#include "support/golden.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <filesystem>
#include <stdexcept>

#include "support/safetensors.h"
#include "support/source_folder.h"

namespace stoker::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExtension = ".safetensors";

fs::path folder_of(const std::string& kind) {
  return source_folder() / "tests" / "golden" / "cases" / kind;
}

// The place of an element in its tensor, as Keras users index: (1, 0, 3).
Shape position(const Shape& shape, std::size_t element) {
  Shape place = shape;
  for (std::size_t axis = shape.rank(); axis-- > 0;) {
    const auto extent = static_cast<std::size_t>(shape[axis]);
    place[axis] = static_cast<std::int64_t>(element % extent);
    element /= extent;
  }
  return place;
}

}  // namespace

const Tensor& GoldenCase::tensor(const std::string& name) const {
  const auto found = tensors.find(name);
  if (found == tensors.end()) throw std::runtime_error(label + " has no tensor " + name);
  return found->second;
}

std::vector<std::string> golden_names(const std::string& kind) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder_of(kind))) {
    if (entry.path().extension() == kExtension) names.push_back(entry.path().stem().string());
  }
  if (names.empty()) throw std::runtime_error("no golden cases of " + kind);
  std::sort(names.begin(), names.end());
  return names;
}

GoldenCase load_golden(const std::string& kind, const std::string& name) {
  Safetensors file = read_safetensors(folder_of(kind) / (name + kExtension));
  return {kind + "/" + name, Config::from_json(file.metadata.at("case")), std::move(file.tensors)};
}

std::string golden_test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

GoldenComparison::~GoldenComparison() {
  if (std::uncaught_exceptions() > 0) return;
  for (const auto& [name, shape] : golden_.info["expected"].members()) {
    EXPECT_TRUE(compared_.count(name) != 0) << golden_.label << ": " << name << " was not compared";
  }
}

bool GoldenComparison::expects(const std::string& name) const {
  return golden_.info["expected"].find(name) != nullptr;
}

void GoldenComparison::expect(const std::string& name, std::span<const float> received) {
  compared_.insert(name);
  const Config& tolerance = golden_.info["tolerance"][name];
  const double relative = tolerance["rtol"].number();
  const double absolute = tolerance["atol"].number();
  const Tensor& tensor = golden_.tensor(name);
  // Masks and counts are whole numbers there.
  std::vector<float> expected;
  if (tensor.dtype() == DType::int32) {
    const auto whole = tensor.data<std::int32_t>();
    expected.assign(whole.begin(), whole.end());
  } else {
    const auto data = tensor.data<float>();
    expected.assign(data.begin(), data.end());
  }
  ASSERT_EQ(received.size(), expected.size()) << golden_.label << ": elements of " << name;

  std::size_t failures = 0;
  std::size_t worst = 0;
  double worst_excess = 0.0;  // error in tolerances
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double wanted = expected[i];
    const double error = std::fabs(static_cast<double>(received[i]) - wanted);
    const double allowed = absolute + relative * std::fabs(wanted);
    if (received[i] == expected[i] || error <= allowed) continue;
    ++failures;
    const double excess = std::isnan(error) ? HUGE_VAL : error / allowed;
    if (excess <= worst_excess) continue;
    worst_excess = excess;
    worst = i;
  }
  if (failures == 0) return;
  const double wanted = expected[worst];
  ADD_FAILURE() << golden_.label << ": " << name << " differs in " << failures << " of "
                << expected.size() << " elements, most at "
                << to_string(position(tensor.shape(), worst)) << ":\n  expected " << wanted
                << "\n  received " << received[worst] << "\n  off by   "
                << std::fabs(received[worst] - wanted) << "\n  allowed  "
                << absolute + relative * std::fabs(wanted);
}

}  // namespace stoker::test
