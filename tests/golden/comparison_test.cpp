// That the golden tests can fail, and that none has gone missing.
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "support/golden.h"

namespace stoker::test {
namespace {

// One expected tensor of two elements, off by at most 0.1 + 0.01 * 10.
const GoldenCase& example() {
  static const GoldenCase golden{
      "layers/example",
      Config::from_json(
          R"({"expected": {"y": [2]}, "tolerance": {"y": {"rtol": 0.01, "atol": 0.1}}})"),
      {{"y", Tensor::from<float>({2}, {10.0f, -10.0f})}}};
  return golden;
}

void compare(std::vector<float> received) { GoldenComparison(example()).expect("y", received); }

TEST(GoldenComparison, TakesWhatIsWithinTheTolerance) { compare({10.19f, -10.19f}); }

TEST(GoldenComparison, NamesTheElementThatIsOff) {
  EXPECT_NONFATAL_FAILURE(compare({10.0f, -10.21f}),
                          "layers/example: y differs in 1 of 2 elements, most at (1,)");
}

TEST(GoldenComparison, FailsForNaN) {
  EXPECT_NONFATAL_FAILURE(compare({std::numeric_limits<float>::quiet_NaN(), -10.0f}), "(0,)");
}

TEST(GoldenComparison, FailsForAnotherNumberOfElements) {
  EXPECT_FATAL_FAILURE(compare({10.0f}), "elements of y");
}

TEST(GoldenComparison, FailsForATensorThatWasNotCompared) {
  EXPECT_NONFATAL_FAILURE(GoldenComparison{example()}, "y was not compared");
}

TEST(GoldenCases, AreAllThere) {
  EXPECT_EQ(golden_names("layers").size(), 185u);
  EXPECT_EQ(golden_names("losses").size(), 43u);
  EXPECT_EQ(golden_names("metrics").size(), 40u);
  EXPECT_EQ(golden_names("optimizers").size(), 37u);
  EXPECT_EQ(golden_names("trajectories").size(), 29u);
}

}  // namespace
}  // namespace stoker::test
