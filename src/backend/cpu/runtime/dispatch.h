// Chooses the copy of the kernels that this processor runs.
#pragma once

#include <span>

#include "backend/cpu/kernels/kernels.h"

namespace stoker::backend::cpu {

// Returns the copies that are compiled in and that this processor can run, the best one last.
std::span<const KernelTable* const> available_kernels();

// Returns the best copy, or a lesser one that the environment variable STOKER_CPU_ISA (baseline,
// avx2, avx512) names. The variable is read whenever a kernel is made, never while one runs. Throws
// ValueError if it names none of these.
const KernelTable& kernels();

}  // namespace stoker::backend::cpu
