#include "core/check.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>

#include "stoker/error.h"
#include "support/environment.h"

namespace stoker::check {
namespace {

std::string refusal(double value, Range range) {
  try {
    require("fit", "an_option", value, range);
  } catch (const ValueError& error) {
    return error.what();
  }
  return "taken";
}

TEST(Check, TakesWhatLiesInTheRange) {
  EXPECT_EQ(refusal(0.0, half_open(0, 1)), "taken");
  EXPECT_EQ(refusal(1.0, closed(0, 1)), "taken");
  EXPECT_EQ(refusal(1e300, at_least(0)), "taken");
  EXPECT_EQ(refusal(-1e300, finite()), "taken");
  EXPECT_EQ(refusal(std::numeric_limits<double>::infinity(), or_infinity(at_least(0))), "taken");
}

TEST(Check, NamesPlaceOptionExpectedAndReceived) {
  EXPECT_EQ(refusal(1.0, half_open(0, 1)), "fit: expected an_option in [0, 1), received 1");
  EXPECT_EQ(refusal(0.0, above(0)), "fit: expected an_option above 0, received 0");
  EXPECT_EQ(refusal(-1.0, at_least(0)), "fit: expected an_option of 0 or more, received -1");
  EXPECT_EQ(refusal(-HUGE_VAL, finite()), "fit: expected an_option to be finite, received -inf");
}

TEST(Check, NoRangeHoldsNaNAndFewHoldInfinity) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const Range range : {finite(), at_least(0), closed(0, 1), or_infinity(at_least(0))}) {
    EXPECT_NE(refusal(nan, range), "taken");
  }
  EXPECT_NE(refusal(HUGE_VAL, at_least(0)), "taken");
  EXPECT_NE(refusal(-HUGE_VAL, or_infinity(at_least(0))), "taken");
}

TEST(Check, AVariableThatIsNoNumberIsRefused) {
  for (const char* text : {"x", "1x", " 1", "1.5", "99999999999999999999", "0", "5000"}) {
    const test::ScopedVariable variable("STOKER_CHECK_TEST", text);
    EXPECT_THROW(integer_from_environment("STOKER_CHECK_TEST", closed(1, 4096)), ValueError)
        << text;
  }
  const test::ScopedVariable variable("STOKER_CHECK_TEST", "12");
  EXPECT_EQ(integer_from_environment("STOKER_CHECK_TEST", closed(1, 4096)), 12);
  EXPECT_EQ(integer_from_environment("STOKER_CHECK_TEST_2", closed(1, 4096)), std::nullopt);
  const test::ScopedVariable empty("STOKER_CHECK_TEST", "");
  EXPECT_EQ(integer_from_environment("STOKER_CHECK_TEST", closed(1, 4096)), std::nullopt);
}

TEST(Check, ASwitchIsZeroOrOne) {
  const test::ScopedVariable on("STOKER_CHECK_TEST", "1");
  EXPECT_EQ(switch_from_environment("STOKER_CHECK_TEST"), true);
  for (const char* text : {"yes", "2", "on"}) {
    const test::ScopedVariable variable("STOKER_CHECK_TEST", text);
    EXPECT_THROW(switch_from_environment("STOKER_CHECK_TEST"), ValueError) << text;
  }
}

}  // namespace
}  // namespace stoker::check
