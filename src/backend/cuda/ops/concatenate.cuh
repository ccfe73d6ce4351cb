#pragma once

#include "backend/cuda/kernels/device.cuh"
#include "backend/cuda/ops/concatenate.h"

namespace stoker::backend::cuda {

template <class Unit>
__device__ __forceinline__ void put_side_by_side(const concatenate_params& p) {
  constexpr std::int64_t kUnit = sizeof(Unit);
  auto* __restrict__ y = static_cast<Unit*>(p.y);
  const std::int64_t width = (p.ends[kConcatenated - 1] - p.begin) / kUnit;
  each_index(p.outer * width, [&](auto i) {
    const auto quotient = i / static_cast<decltype(i)>(width);
    const auto outer = static_cast<std::int64_t>(quotient);
    const std::int64_t at = p.begin / kUnit + static_cast<std::int64_t>(i) - outer * width;
    // Finds the input that the unit belongs to; constant indices keep the parameters out of local
    // memory.
    const void* from = p.x[0];
    std::int64_t begin = p.begin;
    std::int64_t end = p.ends[0];
    STOKER_UNROLL for (int k = 1; k < kConcatenated; ++k) {
      if (at * kUnit < p.ends[k - 1]) continue;
      from = p.x[k];
      begin = p.ends[k - 1];
      end = p.ends[k];
    }
    y[outer * (p.row / kUnit) + at] =
        static_cast<const Unit*>(from)[outer * ((end - begin) / kUnit) + at - begin / kUnit];
  });
}

STOKER_KERNEL(concatenate) {
  std::int64_t sizes = p.row | p.begin;
  STOKER_UNROLL for (int k = 0; k < kConcatenated; ++k) sizes |= p.ends[k];
  if (sizes % 16 == 0) {
    put_side_by_side<uint4>(p);
  } else if (sizes % 4 == 0) {
    put_side_by_side<unsigned>(p);
  } else if (sizes % 2 == 0) {
    put_side_by_side<unsigned short>(p);
  } else {
    put_side_by_side<unsigned char>(p);
  }
}

}  // namespace stoker::backend::cuda
