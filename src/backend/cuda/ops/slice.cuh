#pragma once

#include "backend/cuda/kernels/device.cuh"
#include "backend/cuda/ops/slice.h"

namespace stoker::backend::cuda {

// The layout of the whole tensor, as `outer` rows of `row` units. In each of them `block` units
// from `offset` on belong to the slice. A unit is what one access moves.
struct SliceLayout {
  std::int64_t outer, row, offset, block;

  __device__ bool is_multiple_of(int bytes) const { return (row | offset | block) % bytes == 0; }
  __device__ SliceLayout in_units_of(std::size_t bytes) const {
    const auto b = static_cast<std::int64_t>(bytes);
    return {outer, row / b, offset / b, block / b};
  }
};

template <class Params>
__device__ __forceinline__ SliceLayout layout_in_bytes(const Params& p, int element_bytes) {
  const std::int64_t inner = p.inner * element_bytes;
  return {p.outer, p.from * inner, p.begin * inner, p.extent * inner};
}

template <class Unit>
__device__ __forceinline__ void take_slice(const slice_params& p, const SliceLayout& in_bytes) {
  const SliceLayout at = in_bytes.in_units_of(sizeof(Unit));
  const auto* __restrict__ x = static_cast<const Unit*>(p.x);
  auto* __restrict__ y = static_cast<Unit*>(p.y);
  each_index(at.outer * at.block, [&](auto i) {
    const auto block = static_cast<decltype(i)>(at.block);
    const auto outer = i / block;
    y[i] = x[static_cast<std::int64_t>(outer) * at.row + at.offset +
             static_cast<std::int64_t>(i - outer * block)];
  });
}

STOKER_KERNEL(slice) {
  const SliceLayout at = layout_in_bytes(p, p.element_bytes);
  if (at.is_multiple_of(16)) {
    take_slice<uint4>(p, at);
  } else if (at.is_multiple_of(4)) {
    take_slice<unsigned>(p, at);
  } else if (at.is_multiple_of(2)) {
    take_slice<unsigned short>(p, at);
  } else {
    take_slice<unsigned char>(p, at);
  }
}

template <class Unit>
__device__ __forceinline__ void put_slice(const slice_backward_params& p,
                                          const SliceLayout& in_bytes) {
  const SliceLayout at = in_bytes.in_units_of(sizeof(Unit));
  const auto* __restrict__ dy = static_cast<const Unit*>(p.dy);
  auto* __restrict__ dx = static_cast<Unit*>(p.dx);
  each_index(at.outer * at.row, [&](auto i) {
    const auto row = static_cast<decltype(i)>(at.row);
    const auto outer = i / row;
    const std::int64_t from = static_cast<std::int64_t>(i - outer * row) - at.offset;
    const bool is_inside = from >= 0 && from < at.block;
    dx[i] = is_inside ? dy[static_cast<std::int64_t>(outer) * at.block + from] : Unit{};
  });
}

STOKER_KERNEL(slice_backward) {
  const SliceLayout at = layout_in_bytes(p, p.element_bytes);
  if (at.is_multiple_of(16)) {
    put_slice<uint4>(p, at);
  } else if (at.is_multiple_of(4)) {
    put_slice<unsigned>(p, at);
  } else if (at.is_multiple_of(2)) {
    put_slice<unsigned short>(p, at);
  } else {
    put_slice<unsigned char>(p, at);
  }
}

}  // namespace stoker::backend::cuda
