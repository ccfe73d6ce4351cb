// The bits of float32 and of the 16-bit floating types, the same on every device. All functions are
// without branches, so that loops over them become vector code, and always inlined, because the
// kernels of each instruction set must have code of their own.
#pragma once

#include <stoker/detail/host_device.h>

#include <cstdint>

namespace stoker::detail {

STOKER_HOST_DEVICE STOKER_ALWAYS_INLINE constexpr std::uint32_t bits_of(float x) {
  return __builtin_bit_cast(std::uint32_t, x);
}
STOKER_HOST_DEVICE STOKER_ALWAYS_INLINE constexpr float float_of(std::uint32_t bits) {
  return __builtin_bit_cast(float, bits);
}

// bfloat16 is the upper half of a float32, rounded to nearest even.
STOKER_HOST_DEVICE STOKER_ALWAYS_INLINE constexpr std::uint16_t to_bfloat16_bits(float x) {
  const std::uint32_t word = bits_of(x);
  const std::uint32_t rounded = (word + 0x7fffU + ((word >> 16) & 1U)) >> 16;
  const bool is_nan = (word & 0x7fffffffU) > 0x7f800000U;
  return static_cast<std::uint16_t>(is_nan ? (word >> 16) | 0x40U : rounded);
}
STOKER_HOST_DEVICE STOKER_ALWAYS_INLINE constexpr float from_bfloat16_bits(std::uint16_t bits) {
  return float_of(static_cast<std::uint32_t>(bits) << 16);
}

// float16 is IEEE 754's binary16, rounded to nearest even. Every NaN becomes the same one.
STOKER_HOST_DEVICE STOKER_ALWAYS_INLINE constexpr std::uint16_t to_float16_bits(float x) {
  const std::uint32_t word = bits_of(x) & 0x7fffffffU;
  const std::uint32_t sign = (bits_of(x) >> 16) & 0x8000U;
  // One unit in the last place of 0.5 is 2^-24, the smallest denormal half: the addition rounds to
  // its multiples.
  const std::uint32_t small = bits_of(float_of(word) + 0.5f) - bits_of(0.5f);
  // Rounding up may carry into the exponent and, from 65520 on, into infinity, as it should.
  const std::uint32_t normal = (word - (112U << 23) + 0xfffU + ((word >> 13) & 1U)) >> 13;
  const std::uint32_t large = word > 0x7f800000U ? 0x7e00U : 0x7c00U;
  const std::uint32_t half = word < (113U << 23) ? small : word < (143U << 23) ? normal : large;
  return static_cast<std::uint16_t>(half | sign);
}
// Denormal halves are computed from integers. Shifted into place they would be denormal floats,
// which a processor may be set to treat as zero.
STOKER_HOST_DEVICE STOKER_ALWAYS_INLINE constexpr float from_float16_bits(std::uint16_t bits) {
  const std::uint32_t magnitude = bits & 0x7fffU;
  const float small = static_cast<float>(static_cast<std::int32_t>(magnitude)) * 0x1.0p-24f;
  const std::uint32_t normal = (magnitude << 13) + (magnitude >= 0x7c00U ? 224U << 23 : 112U << 23);
  const std::uint32_t word = magnitude < 0x400U ? bits_of(small) : normal;
  return float_of(word | static_cast<std::uint32_t>(bits & 0x8000U) << 16);
}

// The bits of the smallest magnitude that is infinite once it is stored in the type; those of NaN
// are larger.
inline constexpr std::uint32_t kFloat32Overflow = 0x7f800000U;
inline constexpr std::uint32_t kBfloat16Overflow = 0x7f7f8000U;
inline constexpr std::uint32_t kFloat16Overflow = 0x477ff000U;  // 65520

}  // namespace stoker::detail
