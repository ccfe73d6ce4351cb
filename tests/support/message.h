// The message of the exception that a call throws, to compare it whole.
#pragma once

#include <gtest/gtest.h>

#include <string>

namespace stoker::test {

template <class Exception, class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const Exception& exception) {
    return exception.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

}  // namespace stoker::test
