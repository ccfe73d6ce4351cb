// What the threads of a block, and the blocks of a grid, do together. Free-standing.
#pragma once

#include <cstdint>

#include "backend/cuda/kernels/tiling.h"

namespace stoker::backend::cuda {

// Whether this block is the last of `blocks` to come here: to all its threads, which then see what
// all threads of those blocks wrote before. The counter is zero again after the last one.
__device__ __forceinline__ bool is_last_block(std::uint32_t* counter, unsigned blocks) {
  __threadfence();
  __syncthreads();
  const bool is_last = threadIdx.x == 0 && atomicInc(counter, blocks - 1) == blocks - 1;
  const bool result = __syncthreads_or(is_last ? 1 : 0) != 0;
  __threadfence();
  return result;
}

}  // namespace stoker::backend::cuda
