#include "backend/cpu/parallel.h"

#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>
#include <tbb/task_arena.h>

#include <algorithm>

namespace stoker::backend::cpu::detail {

void parallel_for(std::int64_t count, std::int64_t grain, LoopBody body, const void* context) {
  if (tbb::this_task_arena::max_concurrency() <= 1) return body(context, 0, count);
  const std::int64_t grains = (count + grain - 1) / grain;
  tbb::parallel_for(
      tbb::blocked_range<std::int64_t>(0, grains),
      [=](const tbb::blocked_range<std::int64_t>& part) {
        body(context, part.begin() * grain, std::min(part.end() * grain, count));
      },
      tbb::static_partitioner());
}

}  // namespace stoker::backend::cpu::detail
