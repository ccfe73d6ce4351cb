#include "backend/cpu/runtime/arena.h"

#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <cstdint>
#include <optional>

#include "core/check.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace stoker::backend::cpu {

FlushDenormals::FlushDenormals() {
#if defined(__x86_64__)
  constexpr unsigned kDenormalsAreZero = 1U << 6;
  constexpr unsigned kFlushToZero = 1U << 15;
  before_ = _mm_getcsr();
  _mm_setcsr(before_ | kDenormalsAreZero | kFlushToZero);
#endif
}

FlushDenormals::~FlushDenormals() {
#if defined(__x86_64__)
  _mm_setcsr(before_);
#endif
}

struct ComputeArena::Impl {
  explicit Impl(int threads) : arena(threads) {
    // The arena's workers take the settings of the thread that makes it.
    const FlushDenormals flush;
    arena.initialize();
  }
  tbb::task_arena arena;
};

ComputeArena::ComputeArena(int threads)
    : impl_(std::make_unique<Impl>(threads)), threads_(threads) {}
ComputeArena::~ComputeArena() = default;

void ComputeArena::execute_erased(void (*body)(void*), void* context) {
  impl_->arena.execute([=] {
    const FlushDenormals flush;
    body(context);
  });
}

int default_threads() {
  const std::optional<std::int64_t> threads =
      check::integer_from_environment("STOKER_THREADS", check::closed(1, kMostThreads));
  // Without the variable TBB goes by the process's affinity mask.
  if (!threads) return std::max(1, tbb::this_task_arena::max_concurrency());
  return static_cast<int>(*threads);
}

}  // namespace stoker::backend::cpu
