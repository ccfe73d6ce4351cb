// The kernel gathers a batch from tensors that lie on the device.
#pragma once

#include "backend/cuda/frame/gather_rows.h"
#include "backend/cuda/kernels/device.cuh"

namespace stoker::backend::cuda {

template <class Unit>
__device__ __forceinline__ void gather_rows(const gather_rows_params& p) {
  const std::int64_t units = p.row_bytes / static_cast<std::int64_t>(sizeof(Unit));
  const auto* __restrict__ from = reinterpret_cast<const Unit*>(p.from);
  auto* __restrict__ to = reinterpret_cast<Unit*>(p.to);
  each_index(p.count * units, [&](auto i) {
    const auto row = i / static_cast<decltype(i)>(units);
    to[i] = from[p.rows[row] * units + (i - row * static_cast<decltype(i)>(units))];
  });
}

STOKER_KERNEL(gather_rows) {
  if (p.row_bytes % 16 == 0) {
    gather_rows<uint4>(p);
  } else if (p.row_bytes % 4 == 0) {
    gather_rows<unsigned>(p);
  } else if (p.row_bytes % 2 == 0) {
    gather_rows<unsigned short>(p);
  } else {
    gather_rows<unsigned char>(p);
  }
}

}  // namespace stoker::backend::cuda
