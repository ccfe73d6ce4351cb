#include "backend/cpu/runtime/dispatch.h"

#ifdef STOKER_X86_KERNELS
#include <cpuid.h>
#endif

#include <array>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::backend::cpu {
namespace {

#ifdef STOKER_X86_KERNELS
// Returns whether the processor converts from and to float16. clang 14 does not know the name in
// __builtin_cpu_supports; the bit is number 29 of ECX in leaf 1 (Intel's manual, volume 2A, CPUID).
bool has_f16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & (1U << 29)) != 0;
}
#endif

struct Available {
  std::array<const KernelTable*, 3> tables{};
  std::size_t count = 0;

  Available() {
    add(baseline::table());
#ifdef STOKER_X86_KERNELS
    __builtin_cpu_init();
    const bool has_avx2 =
        __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
    const bool has_avx512 =
        __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    if (has_avx2) add(avx2::table());
    if (has_avx2 && has_avx512) add(avx512::table());
#endif
  }

  void add(const KernelTable& table) { tables[count++] = &table; }
};

}  // namespace

std::span<const KernelTable* const> available_kernels() {
  static const Available available;
  return {available.tables.data(), available.count};
}

const KernelTable& kernels() {
  const auto tables = available_kernels();
  const char* wanted = std::getenv("STOKER_CPU_ISA");
  if (wanted != nullptr && *wanted != '\0') {
    std::string known;
    for (const KernelTable* table : tables) {
      if (std::string_view(table->name) == wanted) return *table;
      known += format(known.empty() ? "" : ", ", table->name);
    }
    throw ValueError(format("STOKER_CPU_ISA: expected one of what this processor runs (", known,
                            "), received \"", wanted, '"'));
  }
  return *tables.back();
}

}  // namespace stoker::backend::cpu
