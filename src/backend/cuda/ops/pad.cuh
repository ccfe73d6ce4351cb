// A thread writes a unit: one of the input, or padding.
#pragma once

#include "backend/cuda/kernels/device.cuh"
#include "backend/cuda/ops/pad.h"

namespace stoker::backend::cuda {

template <class Unit>
__device__ __forceinline__ Unit padding_of(std::uint32_t bits) {
  return static_cast<Unit>(bits);
}
template <>
__device__ __forceinline__ uint4 padding_of<uint4>(std::uint32_t bits) {
  return uint4{bits, bits, bits, bits};
}

template <class Unit>
__device__ __forceinline__ void put_within(const pad_params& p) {
  const auto* __restrict__ x = static_cast<const Unit*>(p.x);
  auto* __restrict__ y = static_cast<Unit*>(p.y);
  each_index(p.count, [&](auto i) {
    auto left = i;
    std::int64_t from = 0;
    std::int64_t stride = 1;
    bool is_inside = true;
    // Constant indices keep the parameters out of local memory.
    STOKER_UNROLL for (int axis = kPadAxes - 1; axis >= 0; --axis) {
      const auto extent = static_cast<decltype(i)>(p.padded[axis]);
      if (extent == 1) continue;
      const auto above = left / extent;
      const std::int64_t index = static_cast<std::int64_t>(left - above * extent) - p.before[axis];
      is_inside = is_inside && index >= 0 && index < p.extents[axis];
      from += index * stride;
      stride *= p.extents[axis];
      left = above;
    }
    y[i] = is_inside ? x[from] : padding_of<Unit>(p.bits);
  });
}

STOKER_KERNEL(pad) {
  if (p.unit_bytes == 16) {
    put_within<uint4>(p);
  } else if (p.unit_bytes == 4) {
    put_within<unsigned>(p);
  } else if (p.unit_bytes == 2) {
    put_within<unsigned short>(p);
  } else {
    put_within<unsigned char>(p);
  }
}

}  // namespace stoker::backend::cuda
