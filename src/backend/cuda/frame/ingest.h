// The first launch of every step.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

// Copies the batch at the ring's cursor into the step's fixed input buffer, checks the block's
// header, and moves the cursor on (the last block to finish does).
struct ingest_params {
  device::RingState* ring = {};
  plan::Scalars* scalars = {};
  std::byte* to = {};       // the input space: fields at the offsets that they have in the block
  std::int64_t begin = {};  // bytes of the block to copy, multiples of 16
  std::int64_t end = {};
  std::uint32_t* counter = {};
};

Grid grid_of(const ingest_params& params);
const Kernel& kernel_of(const ingest_params& params);

}  // namespace stoker::backend::cuda
