// Elements as they are stored, and the arithmetic of expressions. Kernels compute in float32, and
// load and store any type; the bits are those of stoker::bfloat16 and stoker::float16. This header
// is free-standing, for kernels that NVRTC compiles.
#pragma once

#include <cstdint>

#include "stoker/detail/float_bits.h"
#include "stoker/detail/host_device.h"

namespace stoker::backend::cuda {

// The types of indices; CUDA's functions have overloads for them.
using u32 = unsigned;
using u64 = unsigned long long;

struct Bfloat16 {
  std::uint16_t bits;
};
struct Float16 {
  std::uint16_t bits;
};

__device__ __forceinline__ float infinity() { return detail::float_of(0x7f800000U); }

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(std::int32_t x) { return static_cast<float>(x); }
__device__ __forceinline__ float to_float(std::uint8_t x) { return static_cast<float>(x); }
__device__ __forceinline__ float to_float(Bfloat16 x) { return detail::from_bfloat16_bits(x.bits); }
__device__ __forceinline__ float to_float(Float16 x) { return detail::from_float16_bits(x.bits); }

// Returns the nearest number to x in [low, high], the range of an integer type; 0 for NaN.
__device__ __forceinline__ float within(float x, float low, float high) {
  return x < low ? low : x > high ? high : x == x ? x : 0.0f;
}
__device__ __forceinline__ void put(float x, float& to) { to = x; }
__device__ __forceinline__ void put(float x, std::int32_t& to) {
  to = static_cast<std::int32_t>(within(x, -0x1.0p31f, 0x1.fffffep30f));
}
__device__ __forceinline__ void put(float x, std::uint8_t& to) {
  to = static_cast<std::uint8_t>(static_cast<std::int32_t>(within(x, 0.0f, 255.0f)));
}
__device__ __forceinline__ void put(float x, Bfloat16& to) {
  to.bits = detail::to_bfloat16_bits(x);
}
__device__ __forceinline__ void put(float x, Float16& to) { to.bits = detail::to_float16_bits(x); }

// Returns x as it is after it has been stored as a T and loaded.
template <class T>
__device__ __forceinline__ float rounded(float x) {
  T stored;
  put(x, stored);
  return to_float(stored);
}

// Returns whether x is finite when it is stored in the type whose smallest infinite magnitude has
// the bits `overflow`.
__device__ __forceinline__ bool is_below(float x, std::uint32_t overflow) {
  return (detail::bits_of(x) & 0x7fffffffU) < overflow;
}
__device__ __forceinline__ bool is_storable(float x, const float*) {
  return is_below(x, detail::kFloat32Overflow);
}
__device__ __forceinline__ bool is_storable(float x, const Bfloat16*) {
  return is_below(x, detail::kBfloat16Overflow);
}
__device__ __forceinline__ bool is_storable(float x, const Float16*) {
  return is_below(x, detail::kFloat16Overflow);
}

// ---- Packs: N elements in accesses of up to 128 bits --------------------------------------------
template <class T, int N>
struct alignas(N * sizeof(T) < 16 ? N * sizeof(T) : 16) Vector {
  T at[N];
};

template <int N, class T>
__device__ __forceinline__ Vector<T, N> load(const T* from) {
  return *reinterpret_cast<const Vector<T, N>*>(from);
}
template <class T, int N>
__device__ __forceinline__ void store(T* to, const Vector<T, N>& pack) {
  *reinterpret_cast<Vector<T, N>*>(to) = pack;
}
template <class T, int N>
__device__ __forceinline__ void load_pack(const T* from, float (&to)[N]) {
  const Vector<T, N> pack = load<N>(from);
  STOKER_UNROLL for (int k = 0; k < N; ++k) to[k] = to_float(pack.at[k]);
}
template <class T, int N>
__device__ __forceinline__ void store_pack(T* to, const float (&from)[N]) {
  Vector<T, N> pack;
  STOKER_UNROLL for (int k = 0; k < N; ++k) put(from[k], pack.at[k]);
  store(to, pack);
}

// ---- Functions of expressions; NaN is neither dropped nor made ----------------------------------
__device__ __forceinline__ float sign(float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x; }
__device__ __forceinline__ float sigmoid(float x) {
  const float t = expf(-fabsf(x));
  return (x < 0.0f ? t : 1.0f) / (t + 1.0f);
}
__device__ __forceinline__ float relu(float x) { return x < 0.0f ? 0.0f : x; }
__device__ __forceinline__ float is_finite(float x) { return fabsf(x) < infinity() ? 1.0f : 0.0f; }
__device__ __forceinline__ float minimum(float a, float b) { return a < b || a != a ? a : b; }
__device__ __forceinline__ float maximum(float a, float b) { return a > b || a != a ? a : b; }

}  // namespace stoker::backend::cuda
