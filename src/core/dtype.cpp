// The names of element types, and conversions between IEEE 754 binary16 and float32.
#include "stoker/dtype.h"

namespace stoker {
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

// A NaN keeps the upper bits of its payload, as it does in hardware.
float16::float16(float value) : bits(detail::to_float16_bits(value)) {
  const std::uint32_t word = detail::bits_of(value);
  if (value != value) bits = static_cast<std::uint16_t>(bits | ((word >> 13) & 0x3ffU));
}

float16::operator float() const { return detail::from_float16_bits(bits); }

}  // namespace stoker
