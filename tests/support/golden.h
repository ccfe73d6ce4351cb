// Golden cases: what Keras computed, one file each, in tests/golden/cases/<kind>/. See
// tests/golden/README.md for what they hold.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "stoker/config.h"
#include "stoker/tensor.h"

namespace stoker::test {

struct GoldenCase {
  std::string label;  // "layers/Dense-relu"
  Config info;
  std::map<std::string, Tensor> tensors;

  const std::string& class_name() const { return info["class"].string(); }
  const Config& config() const { return info["config"]; }
  // Class and configuration, as an object of Keras's.
  Config object() const {
    return Config::map({{"class_name", class_name()}, {"config", config()}});
  }
  bool has(const std::string& name) const { return tensors.count(name) != 0; }
  // Throws std::runtime_error when the case has no such tensor.
  const Tensor& tensor(const std::string& name) const;
};

// Names of the cases of a kind ("layers"), sorted. Throws std::runtime_error when there are none.
std::vector<std::string> golden_names(const std::string& kind);
GoldenCase load_golden(const std::string& kind, const std::string& name);

// For INSTANTIATE_TEST_SUITE_P: a case's name as gtest allows it.
std::string golden_test_name(const ::testing::TestParamInfo<std::string>& info);

// Compares results with a case's expected tensors, each within its own tolerance, and reports to
// gtest. A tensor that is expected and was never compared is a failure too.
class GoldenComparison {
 public:
  explicit GoldenComparison(const GoldenCase& golden) : golden_(golden) {}
  GoldenComparison(const GoldenComparison&) = delete;
  GoldenComparison& operator=(const GoldenComparison&) = delete;
  ~GoldenComparison();

  void expect(const std::string& name, std::span<const float> received);
  bool expects(const std::string& name) const;

 private:
  const GoldenCase& golden_;
  std::set<std::string> compared_;
};

}  // namespace stoker::test
