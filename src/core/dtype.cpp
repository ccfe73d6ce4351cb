// Names of element types, and IEEE 754 binary16 to and from float32.
#include "stoker/dtype.h"

namespace stoker {
namespace {

constexpr std::uint32_t kFloatInfinity = 0x7f800000U;
constexpr std::uint32_t kHalfInfinity = 0x7c00U;
constexpr std::uint32_t kHalfQuietBit = 0x0200U;

// The magnitude of a float32 (sign bit clear) as binary16 bits.
std::uint32_t half_magnitude(std::uint32_t word) {
  constexpr std::uint32_t kOverflow = (127U + 16U) << 23;        // 2^16
  constexpr std::uint32_t kSmallestNormal = (127U - 14U) << 23;  // 2^-14
  if (word > kFloatInfinity) return kHalfInfinity | kHalfQuietBit | ((word >> 13) & 0x3ffU);
  if (word >= kOverflow) return kHalfInfinity;
  if (word < kSmallestNormal) {
    // A unit in the last place of 0.5 is 2^-24, binary16's smallest subnormal: the addition rounds
    // to it, ties to even.
    const float rounded = std::bit_cast<float>(word) + 0.5f;
    return std::bit_cast<std::uint32_t>(rounded) - std::bit_cast<std::uint32_t>(0.5f);
  }
  // Rounding up may carry into the exponent, and from 65520 on into infinity, as it should.
  const std::uint32_t odd = (word >> 13) & 1U;
  return (word - ((127U - 15U) << 23) + 0xfffU + odd) >> 13;
}

}  // namespace

const char* name_of(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "float32";
    case DType::int32:
      return "int32";
    case DType::uint8:
      return "uint8";
    case DType::bfloat16:
      return "bfloat16";
    case DType::float16:
      return "float16";
  }
  return "unknown";
}

float16::float16(float value) {
  const auto word = std::bit_cast<std::uint32_t>(value);
  bits = static_cast<std::uint16_t>(((word >> 16) & 0x8000U) | half_magnitude(word & 0x7fffffffU));
}

float16::operator float() const {
  const std::uint32_t sign = (bits & 0x8000U) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1fU;
  const std::uint32_t mantissa = bits & 0x3ffU;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1.0p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
  }
  const std::uint32_t wide = exponent == 0x1fU ? kFloatInfinity : (exponent + 127U - 15U) << 23;
  return std::bit_cast<float>(sign | wide | (mantissa << 13));
}

}  // namespace stoker
