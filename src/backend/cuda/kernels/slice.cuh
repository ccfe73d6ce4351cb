#pragma once

#include "backend/cuda/kernels/device.cuh"

namespace stoker::backend::cuda {

// `outer` rows of `row` units in the whole, from which `block` at `offset` is the slice's. A unit
// is what one access moves.
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
  const std::int64_t count = at.outer * at.block;
  for (std::int64_t i = thread_of_grid(); i < count; i += threads_of_grid()) {
    const std::int64_t outer = i / at.block;
    y[i] = x[outer * at.row + at.offset + (i - outer * at.block)];
  }
}

STOKER_KERNEL slice_kernel(const slice_params p) {
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

template <int N>
__device__ __forceinline__ void put_slice(const slice_backward_params& p,
                                          const SliceLayout& in_bytes) {
  const SliceLayout at = in_bytes.in_units_of(sizeof(Floats<N>));
  const std::int64_t count = at.outer * at.row;
  for (std::int64_t i = thread_of_grid(); i < count; i += threads_of_grid()) {
    const std::int64_t outer = i / at.row;
    const std::int64_t from = i - outer * at.row - at.offset;
    const bool is_inside = from >= 0 && from < at.block;
    store(p.dx + i * N, is_inside ? load<N>(p.dy + (outer * at.block + from) * N) : all<N>(0.0f));
  }
}

STOKER_KERNEL slice_backward_kernel(const slice_backward_params p) {
  const SliceLayout at = layout_in_bytes(p, sizeof(float));
  if (at.is_multiple_of(16)) {
    put_slice<4>(p, at);
  } else {
    put_slice<1>(p, at);
  }
}

}  // namespace stoker::backend::cuda
