// Parameters of ingest, the first launch of every step.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

// The kernel copies the batch at the ring's cursor into the step's fixed input buffer and checks
// the header of the slot's memory. Its last block to finish moves the cursor on.
struct ingest_params {
  device::RingState* ring = {};
  plan::Scalars* scalars = {};
  std::byte* to = {};       // the input space, in which fields have the same offsets as in the slot
  std::int64_t begin = {};  // bytes [begin, end) of the slot are copied; multiples of 16
  std::int64_t end = {};
  std::uint32_t* counter = {};
};

Grid grid_of(const ingest_params& params);
const Kernel& kernel_of(const ingest_params& params);

}  // namespace stoker::backend::cuda
