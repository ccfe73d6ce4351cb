// A thread copies a unit. Threads that follow each other write places that follow each other.
#pragma once

#include "backend/cuda/kernels/device.cuh"
#include "backend/cuda/ops/transpose.h"

namespace stoker::backend::cuda {

template <class Unit>
__device__ __forceinline__ void take_in_order(const transpose_params& p) {
  const auto* __restrict__ x = static_cast<const Unit*>(p.x);
  auto* __restrict__ y = static_cast<Unit*>(p.y);
  each_index(p.count, [&](auto i) {
    auto left = i;
    std::int64_t from = 0;
    // Constant indices keep the parameters out of local memory.
    STOKER_UNROLL for (int axis = kTransposeAxes - 1; axis >= 0; --axis) {
      const auto extent = static_cast<decltype(i)>(p.extents[axis]);
      if (extent == 1) continue;
      const auto above = left / extent;
      from += static_cast<std::int64_t>(left - above * extent) * p.strides[axis];
      left = above;
    }
    y[i] = x[from];
  });
}

STOKER_KERNEL(transpose) {
  if (p.unit_bytes == 16) {
    take_in_order<uint4>(p);
  } else if (p.unit_bytes == 4) {
    take_in_order<unsigned>(p);
  } else if (p.unit_bytes == 2) {
    take_in_order<unsigned short>(p);
  } else {
    take_in_order<unsigned char>(p);
  }
}

}  // namespace stoker::backend::cuda
