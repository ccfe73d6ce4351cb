#include "backend/cpu/arena.h"

#include <oneapi/tbb/task_arena.h>

#include <algorithm>

namespace stoker::backend::cpu {

struct ComputeArena::Impl {
  explicit Impl(int threads) : arena(threads) {}
  tbb::task_arena arena;
};

ComputeArena::ComputeArena(int threads)
    : impl_(std::make_unique<Impl>(threads)), threads_(threads) {}
ComputeArena::~ComputeArena() = default;

void ComputeArena::execute_erased(void (*body)(void*), void* context) {
  impl_->arena.execute([=] { body(context); });
}

// TBB reads the process's affinity mask.
int available_cores() { return std::max(1, tbb::this_task_arena::max_concurrency()); }

}  // namespace stoker::backend::cpu
