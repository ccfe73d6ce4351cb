#pragma once

#include "backend/cuda/frame/ingest.h"
#include "backend/cuda/kernels/device.cuh"
#include "device/ring_state.h"
#include "plan/scalars.h"

namespace stoker::backend::cuda {

// A slot that holds another batch than the one that the ring is at is an error of the feed.
__device__ inline void check_header(const std::byte* block, std::uint64_t cursor,
                                    plan::Scalars& scalars) {
  const auto* header = reinterpret_cast<const device::SlotHeader*>(block);
  if (header->sequence == cursor || scalars.error != plan::StepError::none) return;
  scalars.error = plan::StepError::wrong_batch;
  scalars.error_detail = static_cast<std::int64_t>(header->sequence);
  scalars.error_row = static_cast<std::int64_t>(cursor);
}

STOKER_KERNEL(ingest) {
  const std::uint64_t cursor = p.ring->cursor;
  const std::byte* block = p.ring->blocks[cursor % static_cast<std::uint64_t>(p.ring->slots)];
  if (thread_of_grid() == 0) check_header(block, cursor, *p.scalars);

  const auto* __restrict__ from = reinterpret_cast<const uint4*>(block);
  auto* __restrict__ to = reinterpret_cast<uint4*>(p.to);
  const std::int64_t end = p.end / 16;
  const std::int64_t step = threads_of_grid();
  STOKER_UNROLL_4
  for (std::int64_t i = p.begin / 16 + thread_of_grid(); i < end; i += step) to[i] = from[i];

  // Every thread of the grid has read the cursor once the last block is here.
  if (is_last_block(p.counter, gridDim.x) && threadIdx.x == 0) p.ring->cursor = cursor + 1;
}

}  // namespace stoker::backend::cuda
