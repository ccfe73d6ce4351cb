// Vectors of floats as wide as the instruction set that this copy is compiled for, and elementary
// functions on them, without branches. Errors are below 3 units in the last place, denormal
// results included. Polynomials of exp and log: Moshier, Cephes mathematical library, single
// precision.
#pragma once

#include <cstdint>
#include <limits>

#if defined(__SSE__)
#include <immintrin.h>
#endif

namespace stoker::backend::cpu::STOKER_ISA {

#if defined(__AVX512F__)
inline constexpr int kVectorBytes = 64;
#elif defined(__AVX__)
inline constexpr int kVectorBytes = 32;
#else
inline constexpr int kVectorBytes = 16;
#endif
inline constexpr int kWidth = kVectorBytes / 4;

typedef float Floats __attribute__((vector_size(kVectorBytes)));
typedef std::int32_t Ints __attribute__((vector_size(kVectorBytes)));
typedef std::uint32_t Words __attribute__((vector_size(kVectorBytes)));
typedef float FloatsInMemory __attribute__((vector_size(kVectorBytes), aligned(4), may_alias));

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

[[gnu::always_inline]] inline Floats load(const float* from) {
  return *reinterpret_cast<const FloatsInMemory*>(from);
}
[[gnu::always_inline]] inline void store(float* to, Floats x) {
  *reinterpret_cast<FloatsInMemory*>(to) = x;
}
[[gnu::always_inline]] inline Floats all(float x) { return Floats{} + x; }
[[gnu::always_inline]] inline Floats select(Ints condition, Floats a, Floats b) {
  return condition ? a : b;
}
[[gnu::always_inline]] inline Floats select(Ints condition, Floats a, float b) {
  return condition ? a : all(b);
}
[[gnu::always_inline]] inline Floats select(Ints condition, float a, Floats b) {
  return condition ? all(a) : b;
}
[[gnu::always_inline]] inline Words bits(Floats x) { return reinterpret_cast<Words>(x); }
[[gnu::always_inline]] inline Floats from_bits(Words x) { return reinterpret_cast<Floats>(x); }
[[gnu::always_inline]] inline Ints truncate(Floats x) { return __builtin_convertvector(x, Ints); }
[[gnu::always_inline]] inline Floats to_floats(Ints x) {
  return __builtin_convertvector(x, Floats);
}
[[gnu::always_inline]] inline Floats absolute(Floats x) { return from_bits(bits(x) & 0x7fffffffU); }
[[gnu::always_inline]] inline Floats with_sign_of(Floats magnitude, Floats sign) {
  return from_bits((bits(magnitude) & 0x7fffffffU) | (bits(sign) & 0x80000000U));
}
// If an operand is NaN, so is the result.
[[gnu::always_inline]] inline Floats minimum(Floats a, Floats b) {
  return select((a < b) | (a != a), a, b);
}
[[gnu::always_inline]] inline Floats maximum(Floats a, Floats b) {
  return select((a > b) | (a != a), a, b);
}
[[gnu::always_inline]] inline Floats relu(Floats x) { return select(x < 0.0f, 0.0f, x); }
[[gnu::always_inline]] inline bool any(Ints condition) {
#if defined(__AVX512F__)
  return _mm512_test_epi32_mask(reinterpret_cast<__m512i>(condition),
                                reinterpret_cast<__m512i>(condition)) != 0;
#elif defined(__AVX__)
  return _mm256_movemask_ps(reinterpret_cast<__m256>(condition)) != 0;
#elif defined(__SSE__)
  return _mm_movemask_ps(reinterpret_cast<__m128>(condition)) != 0;
#else
  std::int32_t found = 0;
  for (int i = 0; i < kWidth; ++i) found |= condition[i];
  return found != 0;
#endif
}
[[gnu::always_inline]] inline Ints is_finite(Floats x) { return absolute(x) < kInfinity; }

[[gnu::always_inline]] inline Floats sqrt(Floats x) {
#if defined(__AVX512F__)
  // The form without a mask makes g++ 12 warn about its own header.
  return _mm512_maskz_sqrt_ps(0xffff, x);
#elif defined(__AVX__)
  return _mm256_sqrt_ps(x);
#elif defined(__SSE__)
  return _mm_sqrt_ps(x);
#else
  for (int i = 0; i < kWidth; ++i) x[i] = __builtin_sqrtf(x[i]);
  return x;
#endif
}

// Returns x[from[i]] in lane i.
[[gnu::always_inline]] inline Floats permute(Floats x, Ints from) {
#if defined(__AVX512F__)
  return _mm512_maskz_permutexvar_ps(0xffff, reinterpret_cast<__m512i>(from), x);
#elif defined(__AVX2__)
  return _mm256_permutevar8x32_ps(x, reinterpret_cast<__m256i>(from));
#else
  Floats y{};
  for (int i = 0; i < kWidth; ++i) y[i] = x[from[i]];
  return y;
#endif
}

[[gnu::always_inline]] inline Floats floor(Floats x) {
  const Floats whole = to_floats(truncate(x));
  const Floats down = whole - select(whole > x, all(1.0f), 0.0f);
  // Beyond 2^23 there are only whole numbers (and NaN).
  return select(absolute(x) < 0x1.0p23f, with_sign_of(down, x), x);
}

// Returns 2^n for -126 <= n <= 127.
[[gnu::always_inline]] inline Floats power_of_two(Ints n) {
  return from_bits(reinterpret_cast<Words>(n + 127) << 23);
}

struct ExpParts {
  Floats r_expm1;  // exp(r) - 1, |r| <= log(2) / 2
  Ints n;          // exp(x) = 2^n exp(r)
};
[[gnu::always_inline]] inline ExpParts exp_parts(Floats x) {
  constexpr float kRound = 0x1.8p23f;  // adding it rounds to whole numbers
  const Floats shifted = x * 1.44269504f + kRound;
  const Floats n = shifted - kRound;
  const Floats r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  Floats p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return {p * (r * r) + r, reinterpret_cast<Ints>(bits(shifted) - 0x4b400000U)};
}

[[gnu::always_inline]] inline Floats exp(Floats x) {
  x = select(x > 89.0f, 89.0f, x);
  x = select(x < -104.0f, -104.0f, x);
  const ExpParts parts = exp_parts(x);
  // The scaling takes two steps, since the result may be denormal and 2^128 is no float.
  const Ints half = parts.n >> 1;
  return (parts.r_expm1 + 1.0f) * power_of_two(half) * power_of_two(parts.n - half);
}

[[gnu::always_inline]] inline Floats expm1(Floats x) {
  const Floats original = x;
  x = select(x > 89.0f, 89.0f, x);
  x = select(x < -30.0f, -30.0f, x);
  const ExpParts parts = exp_parts(x);
  const Floats half_scale = power_of_two(parts.n - 1);
  const Floats y = (parts.r_expm1 * half_scale + (half_scale - 0.5f)) * 2.0f;
  return select(absolute(x) < 0x1.0p-24f, original, y);
}

[[gnu::always_inline]] inline Floats log(Floats x) {
  const Ints is_denormal = x < std::numeric_limits<float>::min();
  const Floats scaled = select(is_denormal, x * 0x1.0p23f, x);
  // x = 2^e (1 + f), where 1 + f stands between sqrt(1/2) and sqrt(2).
  const Words word = bits(scaled);
  const Ints e = reinterpret_cast<Ints>(word - 0x3f3504f3U) >> 23;
  const Floats f = from_bits(word - (reinterpret_cast<Words>(e) << 23)) - 1.0f;
  const Floats exponent = to_floats(e) - select(is_denormal, all(23.0f), 0.0f);
  Floats p = f * 7.0376836292e-2f + -1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f + -1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f + -1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f + -2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  const Floats square = f * f;
  Floats y = f * (square * p) + exponent * -2.12194440e-4f;
  y = y - square * 0.5f;
  y = (f + y) + exponent * 0.693359375f;
  y = select(x > 0.0f, y, select(x == 0.0f, -kInfinity, all(__builtin_nanf(""))));
  return select(x == kInfinity, x, y);
}

// By Kahan's method the rounding of 1 + x is divided out again (Goldberg, "What every computer
// scientist should know about floating-point arithmetic", theorem 4).
[[gnu::always_inline]] inline Floats log1p(Floats x) {
  const Floats u = x + 1.0f;
  const Floats rounded = u - 1.0f;
  const Floats y = log(u) * (x / rounded);
  return select((rounded == 0.0f) | (x == kInfinity), x, y);
}

[[gnu::always_inline]] inline Floats tanh(Floats x) {
  const Floats t = expm1(absolute(x) * -2.0f);
  return with_sign_of(-t / (t + 2.0f), x);
}

[[gnu::always_inline]] inline Floats sigmoid(Floats x) {
  const Floats t = exp(-absolute(x));
  return select(x < 0.0f, t, all(1.0f)) / (t + 1.0f);
}

// There are two Chebyshev fits: of erf(x) / x - 1 in x^2, and of log(1 - erf(x)) beyond 0.925.
[[gnu::always_inline]] inline Floats erf(Floats x) {
  const Floats magnitude = absolute(x);
  const Floats s = x * x;
  Floats p = s * 8.35189706e-5f + -8.13879238e-4f;
  p = p * s + 5.20072967e-3f;
  p = p * s + -2.68592973e-2f;
  p = p * s + 1.12836941e-1f;
  p = p * s + -3.76126337e-1f;
  p = p * s + 1.28379167e-1f;
  const Floats inner = x * p + x;

  const Floats t = select(magnitude > 4.0f, 4.0f, magnitude) - 2.5f;
  Floats q = t * 1.64356965e-6f + -1.33065197e-5f;
  q = q * t + 7.72546875e-5f;
  q = q * t + -4.20150777e-4f;
  q = q * t + 2.16536720e-3f;
  q = q * t + -1.08585165e-2f;
  q = q * t + -9.43893738e-1f;
  q = q * t + -5.35268068f;
  q = q * t + -7.80681527f;
  const Floats outer = with_sign_of(1.0f - exp(q), x);
  return select(magnitude > 0.925f, outer, inner);
}

// ---- Lanes of one vector ----

// The lanes are added up as a tree, half to half.
[[gnu::always_inline]] inline float sum_of_lanes(Floats x) {
  float lanes[kWidth];
  store(lanes, x);
  for (int half = kWidth / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}
[[gnu::always_inline]] inline float max_of_lanes(Floats x) {
  float lanes[kWidth];
  store(lanes, x);
  for (int half = kWidth / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) {
      const float a = lanes[i], b = lanes[i + half];
      lanes[i] = ((a > b) | (a != a)) ? a : b;
    }
  }
  return lanes[0];
}

// These load the first `count` lanes from memory, where the others get `rest`, and store the first
// `count` lanes.
[[gnu::always_inline]] inline Floats load_some(const float* from, std::int64_t count, float rest) {
  float lanes[kWidth];
  store(lanes, all(rest));
  for (std::int64_t i = 0; i < count; ++i) lanes[i] = from[i];
  return load(lanes);
}
[[gnu::always_inline]] inline void store_some(float* to, Floats x, std::int64_t count) {
  float lanes[kWidth];
  store(lanes, x);
  for (std::int64_t i = 0; i < count; ++i) to[i] = lanes[i];
}

// These do the same with 0 for the rest, and without a branch for each lane where there are masks.
[[gnu::always_inline]] inline Floats load_first(const float* from, std::int64_t count) {
#if defined(__AVX512F__)
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << count) - 1U), from);
#elif defined(__AVX__)
  const Ints lanes = {0, 1, 2, 3, 4, 5, 6, 7};
  return _mm256_maskload_ps(from,
                            reinterpret_cast<__m256i>(lanes < static_cast<std::int32_t>(count)));
#else
  return load_some(from, count, 0.0f);
#endif
}
[[gnu::always_inline]] inline void store_first(float* to, Floats x, std::int64_t count) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1U << count) - 1U), x);
#elif defined(__AVX__)
  const Ints lanes = {0, 1, 2, 3, 4, 5, 6, 7};
  _mm256_maskstore_ps(to, reinterpret_cast<__m256i>(lanes < static_cast<std::int32_t>(count)), x);
#else
  store_some(to, x, count);
#endif
}

}  // namespace stoker::backend::cpu::STOKER_ISA
