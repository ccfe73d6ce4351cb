// STOKER_THREADS: how many threads compute where the program does not say.
#include <gtest/gtest.h>

#include <cstdlib>

#include "backend/cpu/runtime/arena.h"
#include "stoker/error.h"

namespace stoker::backend::cpu {
namespace {

class Threads : public testing::Test {
 protected:
  ~Threads() override { unsetenv("STOKER_THREADS"); }
};

TEST_F(Threads, are_those_of_the_environment) {
  unsetenv("STOKER_THREADS");
  EXPECT_GE(default_threads(), 1);
  setenv("STOKER_THREADS", "", 1);
  EXPECT_GE(default_threads(), 1);
  setenv("STOKER_THREADS", "3", 1);
  EXPECT_EQ(default_threads(), 3);
}

TEST_F(Threads, are_refused_when_they_are_no_number) {
  for (const char* wrong : {"0", "-1", "two", "2x", "100000"}) {
    setenv("STOKER_THREADS", wrong, 1);
    EXPECT_THROW(default_threads(), ValueError) << wrong;
  }
}

}  // namespace
}  // namespace stoker::backend::cpu
