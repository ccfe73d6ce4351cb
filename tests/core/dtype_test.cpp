#include "stoker/dtype.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace stoker {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

float half_of_bits(unsigned bits) {
  float16 half;
  half.bits = static_cast<std::uint16_t>(bits);
  return static_cast<float>(half);
}

float bfloat_of_bits(unsigned bits) {
  bfloat16 value;
  value.bits = static_cast<std::uint16_t>(bits);
  return static_cast<float>(value);
}

// The value that binary16 bits stand for by IEEE 754's formula, in double.
double half_by_formula(unsigned bits) {
  const int exponent = static_cast<int>((bits >> 10) & 0x1f);
  const int mantissa = static_cast<int>(bits & 0x3ff);
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

TEST(DType, names_and_sizes_are_those_of_numpy) {
  EXPECT_STREQ(name_of(DType::float32), "float32");
  EXPECT_STREQ(name_of(DType::int32), "int32");
  EXPECT_STREQ(name_of(DType::uint8), "uint8");
  EXPECT_STREQ(name_of(DType::bfloat16), "bfloat16");
  EXPECT_STREQ(name_of(DType::float16), "float16");
  EXPECT_EQ(size_of(DType::float32), sizeof(float));
  EXPECT_EQ(size_of(DType::int32), sizeof(std::int32_t));
  EXPECT_EQ(size_of(DType::uint8), 1U);
  EXPECT_EQ(size_of(DType::bfloat16), sizeof(bfloat16));
  EXPECT_EQ(size_of(DType::float16), sizeof(float16));
}

TEST(DType, only_slot_types_have_a_dtype) {
  EXPECT_TRUE(is_slot_type<float>);
  EXPECT_TRUE(is_slot_type<float16>);
  EXPECT_FALSE(is_slot_type<double>);
  EXPECT_FALSE(is_slot_type<std::int64_t>);
}

TEST(Float16, every_value_survives_the_way_to_float_and_back) {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const float value = half_of_bits(bits);
    const float16 back(value);
    if ((bits & 0x7fff) > 0x7c00) {
      ASSERT_TRUE(std::isnan(value)) << std::hex << bits;
      // A signalling NaN comes back quiet.
      ASSERT_EQ(back.bits, bits | 0x200) << std::hex << bits;
    } else {
      ASSERT_EQ(back.bits, bits) << std::hex << bits << " is " << value;
    }
  }
}

TEST(Float16, every_finite_value_is_the_one_that_ieee_754_says) {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    if ((bits & 0x7c00) == 0x7c00) continue;
    ASSERT_EQ(static_cast<double>(half_of_bits(bits)), half_by_formula(bits)) << std::hex << bits;
  }
}

TEST(Float16, between_neighbours_it_rounds_to_the_nearer_and_ties_to_even) {
  for (unsigned bits = 0; bits < 0x7bff; ++bits) {
    const float low = half_of_bits(bits);
    const float high = half_of_bits(bits + 1);
    const float middle = low + (high - low) / 2;  // exact in float
    const unsigned even = bits % 2 == 0 ? bits : bits + 1;
    ASSERT_EQ(float16(middle).bits, even) << std::hex << bits;
    ASSERT_EQ(float16(std::nextafter(middle, 0.0f)).bits, bits) << std::hex << bits;
    ASSERT_EQ(float16(std::nextafter(middle, kInfinity)).bits, bits + 1) << std::hex << bits;
    ASSERT_EQ(float16(-middle).bits, even | 0x8000) << std::hex << bits;
  }
}

TEST(Float16, overflow_starts_half_a_unit_above_the_largest_value) {
  EXPECT_EQ(float16(65504.0f).bits, 0x7bff);
  EXPECT_EQ(float16(std::nextafter(65520.0f, 0.0f)).bits, 0x7bff);
  EXPECT_EQ(float16(65520.0f).bits, 0x7c00);
  EXPECT_EQ(float16(65536.0f).bits, 0x7c00);
  EXPECT_EQ(float16(std::numeric_limits<float>::max()).bits, 0x7c00);
  EXPECT_EQ(float16(-kInfinity).bits, 0xfc00);
}

TEST(Float16, tiny_values_become_zero_of_their_sign) {
  EXPECT_EQ(float16(0x1.0p-25f).bits, 0x0000);  // a tie, to even
  EXPECT_EQ(float16(std::nextafter(0x1.0p-25f, 1.0f)).bits, 0x0001);
  EXPECT_EQ(float16(std::numeric_limits<float>::denorm_min()).bits, 0x0000);
  EXPECT_EQ(float16(-0.0f).bits, 0x8000);
  EXPECT_EQ(float16(-0x1.0p-30f).bits, 0x8000);
}

TEST(Float16, a_nan_whose_payload_is_cut_off_stays_a_nan) {
  const auto nan = std::bit_cast<float>(0x7f800001U);
  EXPECT_TRUE(std::isnan(static_cast<float>(float16(nan))));
  EXPECT_TRUE(std::isnan(static_cast<float>(float16(-nan))));
}

TEST(BFloat16, every_value_survives_the_way_to_float_and_back) {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const bfloat16 back(bfloat_of_bits(bits));
    const bool is_nan = (bits & 0x7fff) > 0x7f80;
    ASSERT_EQ(back.bits, is_nan ? (bits | 0x40) : bits) << std::hex << bits;
  }
}

TEST(BFloat16, between_neighbours_it_rounds_to_the_nearer_and_ties_to_even) {
  for (unsigned bits = 0; bits < 0x7f7f; ++bits) {
    // Half a unit in the last place, in float32 bits: covers subnormals as well.
    const auto middle = std::bit_cast<float>((bits << 16) | 0x8000U);
    ASSERT_EQ(bfloat16(middle).bits, bits % 2 == 0 ? bits : bits + 1) << std::hex << bits;
    ASSERT_EQ(bfloat16(std::nextafter(middle, 0.0f)).bits, bits) << std::hex << bits;
    ASSERT_EQ(bfloat16(std::nextafter(middle, kInfinity)).bits, bits + 1) << std::hex << bits;
  }
}

TEST(BFloat16, overflow_rounds_to_infinity_and_nan_stays_nan) {
  EXPECT_EQ(bfloat16(std::numeric_limits<float>::max()).bits, 0x7f80);
  EXPECT_EQ(bfloat16(-kInfinity).bits, 0xff80);
  EXPECT_TRUE(std::isnan(static_cast<float>(bfloat16(std::bit_cast<float>(0x7f800001U)))));
  EXPECT_TRUE(std::isnan(static_cast<float>(bfloat16(std::bit_cast<float>(0xffffffffU)))));
}

}  // namespace
}  // namespace stoker
