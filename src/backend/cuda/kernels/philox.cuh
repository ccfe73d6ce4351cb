// Uniform random numbers by element, as graph/expression.h defines them. This header is
// free-standing.
#pragma once

#include "backend/cuda/kernels/numbers.cuh"
#include "backend/cuda/kernels/scalars.cuh"
#include "stoker/detail/philox.h"

namespace stoker::backend::cuda {

// Draws the numbers of four elements, the first of which, `element`, is a multiple of four.
__device__ __forceinline__ void uniform_four(u64 element, u32 stream, const Scalars* scalars,
                                             float (&to)[4]) {
  const u64 block = element / 4;
  const u64 seed = scalars->seed;
  stoker::detail::PhiloxBlock words = {static_cast<u32>(block), static_cast<u32>(block >> 32),
                                       stream, scalars->step};
  words.all_rounds(static_cast<u32>(seed), static_cast<u32>(seed >> 32));
  to[0] = unit_float(words.w0);
  to[1] = unit_float(words.w1);
  to[2] = unit_float(words.w2);
  to[3] = unit_float(words.w3);
}

template <int N>
__device__ __forceinline__ void uniform_pack(u64 element, u32 stream, const Scalars* scalars,
                                             float (&to)[N]) {
  STOKER_UNROLL for (int k = 0; k < N; k += 4) {
    float four[4];
    uniform_four(element + k, stream, scalars, four);
    to[k] = four[0];
    to[k + 1] = four[1];
    to[k + 2] = four[2];
    to[k + 3] = four[3];
  }
}

__device__ __forceinline__ float uniform(u64 element, u32 stream, const Scalars* scalars) {
  float four[4];
  uniform_four(element, stream, scalars, four);
  const u32 k = element % 4;
  return k == 0 ? four[0] : k == 1 ? four[1] : k == 2 ? four[2] : four[3];
}

}  // namespace stoker::backend::cuda
