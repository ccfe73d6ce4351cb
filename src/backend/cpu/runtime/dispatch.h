// Chooses the copy of the kernels that this processor runs.
#pragma once

#include <span>

#include "backend/cpu/kernels/kernels.h"

namespace stoker::backend::cpu {

// The copies that are compiled in and that this processor can run, the best one last.
std::span<const KernelTable* const> available_kernels();

// The best of them, or what the environment variable STOKER_CPU_ISA (baseline, avx2, avx512) lowers
// it to. Read whenever a kernel is made, never while one runs. Throws ValueError when the variable
// names none of these.
const KernelTable& kernels();

}  // namespace stoker::backend::cpu
