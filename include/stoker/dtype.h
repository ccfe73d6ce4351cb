// Element types, and the storage types that C++ itself does not have.
#pragma once

#include <stoker/detail/float_bits.h>

#include <cstddef>
#include <cstdint>

namespace stoker {

// Element types of tensors, slots and graph values. bfloat16 and float16 are storage types:
// arithmetic is done in float32.
enum class DType : std::uint8_t { float32, int32, uint8, bfloat16, float16 };

// Returns the bytes of one element.
constexpr std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::float32:
    case DType::int32:
      return 4;
    case DType::bfloat16:
    case DType::float16:
      return 2;
    case DType::uint8:
      return 1;
  }
  return 0;
}

constexpr bool is_floating(DType dtype) {
  return dtype == DType::float32 || dtype == DType::bfloat16 || dtype == DType::float16;
}
constexpr bool is_16bit(DType dtype) { return dtype == DType::bfloat16 || dtype == DType::float16; }

// Returns "float32", "int32", ..., as Keras and NumPy spell them.
const char* name_of(DType dtype);

// The upper half of a float32, rounded to nearest even.
struct bfloat16 {
  std::uint16_t bits = 0;

  bfloat16() = default;
  explicit bfloat16(float value) : bits(detail::to_bfloat16_bits(value)) {}
  explicit operator float() const { return detail::from_bfloat16_bits(bits); }
};

// IEEE 754 binary16, rounded to nearest even.
struct float16 {
  std::uint16_t bits = 0;

  float16() = default;
  explicit float16(float value);
  explicit operator float() const;
};

// The DType of a C++ element type; only slot types have one (double, say, has none).
template <class T>
struct dtype_traits {
  static constexpr bool is_slot_type = false;
};
template <>
struct dtype_traits<float> {
  static constexpr bool is_slot_type = true;
  static constexpr DType value = DType::float32;
};
template <>
struct dtype_traits<std::int32_t> {
  static constexpr bool is_slot_type = true;
  static constexpr DType value = DType::int32;
};
template <>
struct dtype_traits<std::uint8_t> {
  static constexpr bool is_slot_type = true;
  static constexpr DType value = DType::uint8;
};
template <>
struct dtype_traits<bfloat16> {
  static constexpr bool is_slot_type = true;
  static constexpr DType value = DType::bfloat16;
};
template <>
struct dtype_traits<float16> {
  static constexpr bool is_slot_type = true;
  static constexpr DType value = DType::float16;
};

template <class T>
inline constexpr bool is_slot_type = dtype_traits<T>::is_slot_type;
template <class T>
inline constexpr DType dtype_of = dtype_traits<T>::value;

}  // namespace stoker
