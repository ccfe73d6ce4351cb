// Counts allocations of the whole process: all threads, and the libraries it has loaded.
#pragma once

#include <cstdint>

namespace stoker::test {

// Counts from its construction on.
//
//   AllocationCounter allocations;
//   step();
//   EXPECT_EQ(allocations.count(), 0U);
class AllocationCounter {
 public:
  // Not under a sanitizer, which has an allocator of its own; a test that only counts is left out
  // of such a build (support/sanitizer.h).
  static bool works();

  AllocationCounter();

  // Calls of malloc and its relatives, operator new among them, since the construction.
  std::uint64_t count() const;
  // Of those, the ones by the thread that asks.
  std::uint64_t count_of_this_thread() const;

 private:
  std::uint64_t before_;
  std::uint64_t before_of_this_thread_;
};

}  // namespace stoker::test
