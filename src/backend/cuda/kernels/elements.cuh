// Elements as they are stored: kernels compute in float32, and load and store one of three types.
// The bits are those of stoker::bfloat16 and stoker::float16, on a GPU as on the emulator.
// Generated kernels have the same conversions as text (codegen_prelude.cpp): NVRTC is given no
// headers.
#pragma once

#include "backend/cuda/kernels/device.cuh"

namespace stoker::backend::cuda {

struct Bfloat16 {
  unsigned short bits;
};
struct Float16 {
  unsigned short bits;
};

// f(T{}) for the type that `element` names.
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
// f(Width<N>{}) for N elements of kBytes each at once: pack_width(columns, kBytes).
template <int kBytes, class F>
__device__ __forceinline__ void with_width(std::int64_t columns, F f) {
  if constexpr (kBytes == 2) {
    if (pack_width(columns, 2) == 8) return f(Width<8>{});
  }
  if (pack_width(columns) == 4) return f(Width<4>{});
  f(Width<1>{});
}

__device__ __forceinline__ float widened(float x) { return x; }
__device__ __forceinline__ float widened(Bfloat16 x) {
  return __uint_as_float(static_cast<unsigned>(x.bits) << 16);
}
// Exponents are moved by a multiplication: Giesen, "Half to float done quic", 2012.
__device__ __forceinline__ float widened(Float16 x) {
  const float scaled = __uint_as_float((x.bits & 0x7fffU) << 13) * 0x1.0p112f;
  const unsigned special = (x.bits & 0x7c00U) == 0x7c00U ? 0x7f800000U : 0U;
  return __uint_as_float(__float_as_uint(scaled) | special | (x.bits & 0x8000U) << 16);
}

// To nearest even.
__device__ __forceinline__ void narrow(float x, float& to) { to = x; }
__device__ __forceinline__ void narrow(float x, Bfloat16& to) {
  const unsigned word = __float_as_uint(x);
  const unsigned rounded = (word + 0x7fffU + ((word >> 16) & 1U)) >> 16;
  const bool is_nan = (word & 0x7fffffffU) > 0x7f800000U;
  to.bits = static_cast<unsigned short>(is_nan ? (word >> 16) | 0x40U : rounded);
}
__device__ __forceinline__ void narrow(float x, Float16& to) {
  const unsigned word = __float_as_uint(x) & 0x7fffffffU;
  const unsigned sign = (__float_as_uint(x) >> 16) & 0x8000U;
  // Denormal halves: the addition rounds to their last place.
  const unsigned small = __float_as_uint(__uint_as_float(word) + 0.5f) - __float_as_uint(0.5f);
  const unsigned normal = (word - (112U << 23) + 0xfffU + ((word >> 13) & 1U)) >> 13;
  const unsigned large = word > 0x7f800000U ? 0x7e00U : 0x7c00U;
  const unsigned half = word < (113U << 23) ? small : word < (143U << 23) ? normal : large;
  to.bits = static_cast<unsigned short>(half | sign);
}

// x as it is once it has been stored as a T.
template <class T>
__device__ __forceinline__ float rounded(float x) {
  T stored;
  narrow(x, stored);
  return widened(stored);
}

// N elements of type T, in one access, as floats. Offsets are in elements.
template <class T, int N>
__device__ __forceinline__ Floats<N> load_as(const void* from, std::int64_t offset) {
  const Vector<T, N> stored = load<N>(static_cast<const T*>(from) + offset);
  Floats<N> pack;
  STOKER_UNROLL for (int i = 0; i < N; ++i) pack.at[i] = widened(stored.at[i]);
  return pack;
}
template <class T, int N>
__device__ __forceinline__ void store_as(void* to, std::int64_t offset, const Floats<N>& pack) {
  Vector<T, N> stored;
  STOKER_UNROLL for (int i = 0; i < N; ++i) narrow(pack.at[i], stored.at[i]);
  store(static_cast<T*>(to) + offset, stored);
}

}  // namespace stoker::backend::cuda
