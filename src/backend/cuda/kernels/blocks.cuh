// Cooperation of the threads of a block, and of the blocks of a grid. This header is free-standing.
#pragma once

#include <cstdint>

#include "backend/cuda/kernels/tiling.h"

namespace stoker::backend::cuda {

// Returns to all threads of a block whether it is the last of `blocks` blocks to call this. The
// threads of the last one then see what all threads of the others wrote before. The counter is zero
// again after the last call.
__device__ __forceinline__ bool is_last_block(std::uint32_t* counter, unsigned blocks) {
  __threadfence();
  __syncthreads();
  const bool is_last = threadIdx.x == 0 && atomicInc(counter, blocks - 1) == blocks - 1;
  const bool result = __syncthreads_or(is_last ? 1 : 0) != 0;
  __threadfence();
  return result;
}

}  // namespace stoker::backend::cuda
