// Stands in front of glibc's malloc in every program that links this file. libstdc++'s operator new
// calls malloc and aligned_alloc, and shared libraries find the program's own first, so that these
// few functions see every allocation.
#include "support/allocation_counter.h"

#include <atomic>
#include <cerrno>
#include <cstddef>

#include "support/sanitizer.h"

namespace {

std::atomic<std::uint64_t> total{0};
// No constructor and no dynamic TLS: malloc runs before and after everything else.
constinit thread_local std::uint64_t of_this_thread = 0;

#if !STOKER_SANITIZED_MALLOC
void count_one() {
  total.fetch_add(1, std::memory_order_relaxed);
  ++of_this_thread;
}
#endif

}  // namespace

#if !STOKER_SANITIZED_MALLOC

extern "C" {

void* __libc_malloc(std::size_t bytes);                           // NOLINT
void* __libc_calloc(std::size_t count, std::size_t bytes);        // NOLINT
void* __libc_realloc(void* memory, std::size_t bytes);            // NOLINT
void* __libc_memalign(std::size_t alignment, std::size_t bytes);  // NOLINT

void* malloc(std::size_t bytes) noexcept {
  count_one();
  return __libc_malloc(bytes);
}

void* calloc(std::size_t count, std::size_t bytes) noexcept {
  count_one();
  return __libc_calloc(count, bytes);
}

void* realloc(void* memory, std::size_t bytes) noexcept {
  count_one();
  return __libc_realloc(memory, bytes);
}

void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
  count_one();
  return __libc_memalign(alignment, bytes);
}

void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  count_one();
  return __libc_memalign(alignment, bytes);
}

int posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) noexcept {
  count_one();
  const bool is_power_of_two = alignment != 0 && (alignment & (alignment - 1)) == 0;
  if (!is_power_of_two || alignment % sizeof(void*) != 0) return EINVAL;
  void* const result = __libc_memalign(alignment, bytes);
  if (result == nullptr) return ENOMEM;
  *memory = result;
  return 0;
}

}  // extern "C"

#endif  // !STOKER_SANITIZED_MALLOC

namespace stoker::test {

bool AllocationCounter::works() { return !STOKER_SANITIZED_MALLOC; }

AllocationCounter::AllocationCounter() : before_(total), before_of_this_thread_(of_this_thread) {}

std::uint64_t AllocationCounter::count() const { return total - before_; }

std::uint64_t AllocationCounter::count_of_this_thread() const {
  return of_this_thread - before_of_this_thread_;
}

}  // namespace stoker::test
