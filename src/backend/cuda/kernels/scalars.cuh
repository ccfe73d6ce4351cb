// The device scalars as kernels read and write them. This header is free-standing.
#pragma once

#include "plan/scalars.h"

namespace stoker::backend::cuda {

using plan::Scalars;

__device__ __forceinline__ bool has_error(const Scalars* scalars) {
  return scalars->error != plan::StepError::none;
}

// Keeps the smallest place, in whatever order threads come.
__device__ __forceinline__ void note_overflow(Scalars* scalars, long long place) {
  static_assert(sizeof(scalars->overflow) == sizeof(long long));
  atomicMin(reinterpret_cast<long long*>(&scalars->overflow), place);
}

}  // namespace stoker::backend::cuda
