#include "backend/cpu/runtime/parallel.h"

#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>
#include <tbb/task_arena.h>

#include <algorithm>

namespace stoker::backend::cpu {

int thread_number() { return std::max(0, tbb::this_task_arena::current_thread_index()); }

namespace detail {

// The number of parts for each thread. There are enough of them for other threads to take over the
// parts of a thread that the system has suspended, and few enough that handing them out takes no
// noticeable time.
constexpr std::int64_t kPartsPerThread = 4;

void parallel_for(std::int64_t count, std::int64_t grain, LoopBody body, const void* context) {
  const int threads = tbb::this_task_arena::max_concurrency();
  if (threads <= 1) return body(context, 0, count);
  const std::int64_t grains = (count + grain - 1) / grain;
  const std::int64_t part = std::max<std::int64_t>(1, grains / (threads * kPartsPerThread));
  tbb::parallel_for(
      tbb::blocked_range<std::int64_t>(0, grains, static_cast<std::size_t>(part)),
      [=](const tbb::blocked_range<std::int64_t>& part) {
        body(context, part.begin() * grain, std::min(part.end() * grain, count));
      },
      tbb::simple_partitioner());
}

}  // namespace detail
}  // namespace stoker::backend::cpu
