// Numbers too small for a normal float32 are 0 in a step, on all of its threads, and nowhere else.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "backend/cpu/arena.h"
#include "backend/cpu/parallel.h"

namespace stoker::backend::cpu {
namespace {

float tiny_product() {
  volatile float a = 1e-30f;
  volatile float b = 1e-10f;
  return a * b;
}

TEST(Denormals, are_flushed_by_every_thread_of_the_arena_and_only_there) {
#if !defined(__x86_64__)
  GTEST_SKIP() << "not on this processor";
#endif
  ComputeArena arena(2);
  std::vector<float> results(1 << 12, 1.0f);
  std::atomic<int> threads{0};
  arena.execute([&] {
    // Until both threads have taken part.
    for (int attempt = 0; attempt < 1000 && threads < 2; ++attempt) {
      std::atomic<std::thread::id> first{std::this_thread::get_id()};
      parallel_for(static_cast<std::int64_t>(results.size()), 1,
                   [&](std::int64_t begin, std::int64_t end) {
                     if (std::this_thread::get_id() != first.load()) threads = 2;
                     for (auto i = begin; i < end; ++i) {
                       results[static_cast<std::size_t>(i)] = tiny_product();
                     }
                   });
    }
  });
  EXPECT_EQ(threads, 2);
  EXPECT_TRUE(std::all_of(results.begin(), results.end(), [](float x) { return x == 0.0f; }));
  EXPECT_NE(tiny_product(), 0.0f);
}

}  // namespace
}  // namespace stoker::backend::cpu
