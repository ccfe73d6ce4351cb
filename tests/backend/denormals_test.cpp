// Numbers too small for a normal float32 are 0 in a step, on all of its threads, and nowhere else.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "backend/cpu/runtime/arena.h"
#include "backend/cpu/runtime/parallel.h"

namespace stoker::backend::cpu {
namespace {

float tiny_product() {
  volatile float a = 1e-30f;
  volatile float b = 1e-10f;
  return a * b;
}

#if defined(__x86_64__)  // Other processors' modes are left as they are.
TEST(Denormals, are_flushed_by_every_thread_of_the_arena_and_only_there) {
  ComputeArena arena(2);
  std::vector<float> results(1 << 12, 1.0f);
  std::atomic<bool> is_joined{false};
  arena.execute([&] {
    const auto first = std::this_thread::get_id();
    // The first thread stays in its part until the other one has taken part too.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    parallel_for(static_cast<std::int64_t>(results.size()), 1,
                 [&](std::int64_t begin, std::int64_t end) {
                   if (std::this_thread::get_id() != first) is_joined = true;
                   while (!is_joined && std::chrono::steady_clock::now() < deadline) {
                     std::this_thread::yield();
                   }
                   for (auto i = begin; i < end; ++i) {
                     results[static_cast<std::size_t>(i)] = tiny_product();
                   }
                 });
  });
  EXPECT_TRUE(is_joined);
  EXPECT_TRUE(std::all_of(results.begin(), results.end(), [](float x) { return x == 0.0f; }));
  EXPECT_NE(tiny_product(), 0.0f);
}
#endif

}  // namespace
}  // namespace stoker::backend::cpu
