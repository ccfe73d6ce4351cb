// Helpers of kernels whose parameters name the type of their elements.
#pragma once

#include "backend/cuda/kernels/device.cuh"

namespace stoker::backend::cuda {

// Calls f(T{}) for the type T that `element` names.
template <class F>
__device__ __forceinline__ void with_type(Element element, F f) {
  switch (element) {
    case Element::float32:
      return f(float{});
    case Element::bfloat16:
      return f(Bfloat16{});
    case Element::float16:
      return f(Float16{});
  }
}

template <int N>
struct Width {
  static constexpr int value = N;
};
// Calls f(Width<N>{}), where N = pack_width(columns, kBytes) elements of kBytes each are loaded at
// once.
template <int kBytes, class F>
__device__ __forceinline__ void with_width(std::int64_t columns, F f) {
  if constexpr (kBytes == 2) {
    if (pack_width(columns, 2) == 8) return f(Width<8>{});
  }
  if (pack_width(columns) == 4) return f(Width<4>{});
  f(Width<1>{});
}

// These load and store N elements of type T in one access, as floats. Offsets are in elements.
template <class T, int N>
__device__ __forceinline__ Floats<N> load_as(const void* from, std::int64_t offset) {
  const Vector<T, N> stored = load<N>(static_cast<const T*>(from) + offset);
  Floats<N> pack;
  STOKER_UNROLL for (int i = 0; i < N; ++i) pack.at[i] = to_float(stored.at[i]);
  return pack;
}
template <class T, int N>
__device__ __forceinline__ void store_as(void* to, std::int64_t offset, const Floats<N>& pack) {
  Vector<T, N> stored;
  STOKER_UNROLL for (int i = 0; i < N; ++i) put(pack.at[i], stored.at[i]);
  store(static_cast<T*>(to) + offset, stored);
}

}  // namespace stoker::backend::cuda
