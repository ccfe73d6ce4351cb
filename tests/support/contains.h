// EXPECT_TRUE(contains(message, "part")) that shows both when it fails.
#pragma once

#include <gtest/gtest.h>

#include <string>

namespace stoker::test {

inline ::testing::AssertionResult contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << "expected a text with\n  " << part << "\nreceived\n  " << text;
}

}  // namespace stoker::test
