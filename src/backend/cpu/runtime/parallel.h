// Loops over the threads of the current arena.
#pragma once

#include <cstdint>

namespace stoker::backend::cpu {

namespace detail {
using LoopBody = void (*)(const void* context, std::int64_t begin, std::int64_t end);
void parallel_for(std::int64_t count, std::int64_t grain, LoopBody body, const void* context);
}  // namespace detail

// Returns the calling thread's number in the current arena, below the arena's concurrency.
int thread_number();

// One task should read and write at least this much; for less it does not pay to wake a thread.
inline constexpr std::int64_t kBytesPerTask = std::int64_t{64} * 1024;

// Returns the number of items of so many bytes that make a task.
constexpr std::int64_t grain_for(std::int64_t bytes_per_item) {
  const std::int64_t items = kBytesPerTask / (bytes_per_item > 0 ? bytes_per_item : 1);
  return items > 0 ? items : 1;
}

// Calls f(begin, end) for parts of [0, count) that begin at multiples of `grain`, a few for each
// thread, and waits for them. f must give the same results however the parts are cut. There is no
// parallel region if there is one grain or one thread.
template <class F>
void parallel_for(std::int64_t count, std::int64_t grain, const F& f) {
  if (count <= grain) {
    if (count > 0) f(std::int64_t{0}, count);
    return;
  }
  detail::parallel_for(
      count, grain,
      [](const void* context, std::int64_t begin, std::int64_t end) {
        (*static_cast<const F*>(context))(begin, end);
      },
      &f);
}

}  // namespace stoker::backend::cpu
