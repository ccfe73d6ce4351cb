// Functions that need more than float32 inside. Each computes one lane in double, without branches,
// so that a loop over lanes becomes vector code.
#pragma once

#include <cstdint>

namespace stoker::backend::cpu::STOKER_ISA {

[[gnu::always_inline]] inline std::uint64_t bits_of(double x) {
  return __builtin_bit_cast(std::uint64_t, x);
}
[[gnu::always_inline]] inline double double_of(std::uint64_t word) {
  return __builtin_bit_cast(double, word);
}

// Adding it to a double rounds to whole numbers, which then stand in the low bits.
inline constexpr double kRoundDouble = 0x1.8p52;

// Computes sin(x + quadrants pi/2) for |x| up to kSineLimit. The argument is reduced by Cody and
// Waite's method with pi/2 in two parts (the first has 33 bits); the polynomials are Taylor's.
inline constexpr float kSineLimit = 0x1.0p19f;
[[gnu::always_inline]] inline std::int32_t is_large_angle(float x) {
  return __builtin_fabsf(x) <= kSineLimit ? 0 : 1;
}
[[gnu::always_inline]] inline float sine(float x, std::uint64_t quadrants) {
  const double shifted = x * 0.63661977236758138 + kRoundDouble;
  const double n = shifted - kRoundDouble;
  const double r = (x - n * 1.57079632673412561417) - n * 6.07710050650619224932e-11;
  const double s = r * r;
  const double sin_r =
      r + r * s * (-1.0 / 6 + s * (1.0 / 120 + s * (-1.0 / 5040 + s * (1.0 / 362880))));
  const double cos_r =
      1.0 + s * (-0.5 + s * (1.0 / 24 + s * (-1.0 / 720 + s * (1.0 / 40320 - s / 3628800))));
  const std::uint64_t quadrant = bits_of(shifted) + quadrants;
  const std::uint64_t odd = 0 - (quadrant & 1U);
  const std::uint64_t word = (bits_of(cos_r) & odd) | (bits_of(sin_r) & ~odd);
  return static_cast<float>(double_of(word ^ ((quadrant & 2U) << 62)));
}

// Computes a^b for a that is above 0 and finite, by log and exp, to 1e-10.
[[gnu::always_inline]] inline double power_of_positive(double a, double b) {
  // a = 2^e m, where m stands between sqrt(1/2) and sqrt(2); the exponent is made a double by
  // putting it into the low bits of 2^52.
  const std::uint64_t word = bits_of(a) - 0x3fe6a09e667f3bcdU;
  const double e = double_of(((word + (std::uint64_t{1} << 62)) >> 52) | 0x4330000000000000U) -
                   (0x1.0p52 + 1024.0);
  const double m = double_of((word & 0x000fffffffffffffU) + 0x3fe6a09e667f3bcdU);
  const double s = (m - 1.0) / (m + 1.0);
  const double z = s * s;
  const double series =
      1.0 + z * (1.0 / 3 + z * (1.0 / 5 + z * (1.0 / 7 + z * (1.0 / 9 + z * (1.0 / 11 + z / 13)))));
  double t = b * (e * 0.693147180559945309 + 2.0 * s * series);
  t = t > 120.0 ? 120.0 : t;
  t = t < -120.0 ? -120.0 : t;

  const double shifted = t * 1.44269504088896341 + kRoundDouble;
  const double r = t - (shifted - kRoundDouble) * 0.693147180559945309;
  const double exp_r =
      1.0 +
      r * (1.0 +
           r * (1.0 / 2 +
                r * (1.0 / 6 + r * (1.0 / 24 +
                                    r * (1.0 / 120 +
                                         r * (1.0 / 720 + r * (1.0 / 5040 + r * (1.0 / 40320 +
                                                                                 r / 362880))))))));
  return exp_r * double_of((bits_of(shifted) + 1023U) << 52);
}

// Returns whether the vector code of pow leaves this pair to the C library: zeros, infinities, NaN,
// and exponents that are too large to tell whole numbers apart.
[[gnu::always_inline]] inline std::int32_t is_special_power(float a, float b) {
  const std::uint32_t a_word = __builtin_bit_cast(std::uint32_t, a) & 0x7fffffffU;
  const std::uint32_t b_word = __builtin_bit_cast(std::uint32_t, b) & 0x7fffffffU;
  const std::uint32_t special_a = a_word - 1U >= 0x7f7fffffU ? 1U : 0U;
  const std::uint32_t special_b = b_word >= 0x4a800000U ? 1U : 0U;  // 2^22
  return static_cast<std::int32_t>(special_a | special_b);
}
[[gnu::always_inline]] inline float power(float a, float b) {
  const double y = power_of_positive(__builtin_fabsf(a), b);
  // For a negative `a` the result is NaN unless b is whole, and has the sign of (-1)^b.
  const double shifted = b + kRoundDouble;
  const double whole = shifted - kRoundDouble;
  const double a_double = a;
  const double sign = double_of(bits_of(1.0) | (bits_of(shifted) << 63));
  const double valid = whole == b ? sign : __builtin_nan("");
  return static_cast<float>(a_double < 0.0 ? y * valid : y);
}

}  // namespace stoker::backend::cpu::STOKER_ISA
