// Philox4x32-10, in blocks, and the distributions that are drawn from it.
#include "stoker/random.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "core/format.h"
#include "stoker/error.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace stoker {
namespace {

using detail::PhiloxBlock;

constexpr PhiloxKey key_of(std::uint64_t seed) {
  return {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
}

// Fills blocks [begin, end), counted from `first_block`.
void fill_portable(std::uint32_t* words, std::size_t begin, std::size_t end, PhiloxKey key,
                   std::uint32_t stream, std::uint32_t step, std::uint64_t first_block) {
  for (std::size_t i = begin; i < end; ++i) {
    const std::uint64_t block = first_block + i;
    const PhiloxCounter counter{static_cast<std::uint32_t>(block),
                                static_cast<std::uint32_t>(block >> 32), stream, step};
    const PhiloxCounter result = philox4x32(counter, key);
    std::copy(result.begin(), result.end(), words + 4 * i);
  }
}

#if defined(__x86_64__)
// Makes as many of the blocks as fit the vectors and returns their number. Each 64-bit lane holds
// one word of one block in its lower half, as the widening multiplication needs it. The upper
// halves are never read, so they are not masked. Two groups of four blocks hide the
// multiplication's latency. The code uses intrinsics because the compiler vectorises the loop above
// with more shuffles than it gains.
__attribute__((target("avx2"))) std::size_t fill_avx2(std::uint32_t* words, std::size_t blocks,
                                                      PhiloxKey key, std::uint32_t stream,
                                                      std::uint32_t step,
                                                      std::uint64_t first_block) {
  constexpr std::size_t kGroups = 2;
  constexpr std::size_t kBlocks = 4 * kGroups;
  const __m256i multiplier0 = _mm256_set1_epi64x(PhiloxBlock::kMultiplier0);
  const __m256i multiplier1 = _mm256_set1_epi64x(PhiloxBlock::kMultiplier1);
  std::size_t done = 0;
  for (; done + kBlocks <= blocks; done += kBlocks) {
    __m256i c0[kGroups], c1[kGroups], c2[kGroups], c3[kGroups];
#pragma GCC unroll 2
    for (std::size_t g = 0; g < kGroups; ++g) {
      const std::uint64_t block = first_block + done + 4 * g;
      // The blocks are in the order 0, 2, 1, 3, so that the unpacking below puts them in order.
      c0[g] = _mm256_add_epi64(_mm256_set1_epi64x(static_cast<long long>(block)),
                               _mm256_set_epi64x(3, 1, 2, 0));
      c1[g] = _mm256_srli_epi64(c0[g], 32);
      c2[g] = _mm256_set1_epi64x(stream);
      c3[g] = _mm256_set1_epi64x(step);
    }
    PhiloxKey round_key = key;
#pragma GCC unroll 10
    for (int round = 0; round < PhiloxBlock::kRounds; ++round) {
      const __m256i key0 = _mm256_set1_epi64x(round_key[0]);
      const __m256i key1 = _mm256_set1_epi64x(round_key[1]);
#pragma GCC unroll 2
      for (std::size_t g = 0; g < kGroups; ++g) {
        const __m256i product0 = _mm256_mul_epu32(c0[g], multiplier0);
        const __m256i product1 = _mm256_mul_epu32(c2[g], multiplier1);
        c0[g] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(product1, 32), c1[g]), key0);
        c1[g] = product1;
        c2[g] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(product0, 32), c3[g]), key1);
        c3[g] = product0;
      }
      round_key[0] += PhiloxBlock::kWeyl0;
      round_key[1] += PhiloxBlock::kWeyl1;
    }
#pragma GCC unroll 2
    for (std::size_t g = 0; g < kGroups; ++g) {
      const __m256i low = _mm256_blend_epi32(c0[g], _mm256_slli_epi64(c1[g], 32), 0xaa);
      const __m256i high = _mm256_blend_epi32(c2[g], _mm256_slli_epi64(c3[g], 32), 0xaa);
      auto* out = reinterpret_cast<__m256i*>(words + 4 * (done + 4 * g));
      _mm256_storeu_si256(out, _mm256_unpacklo_epi64(low, high));
      _mm256_storeu_si256(out + 1, _mm256_unpackhi_epi64(low, high));
    }
  }
  // g++ 12 omits this before some returns, and without it the caller's SSE code is 10 times slower.
  _mm256_zeroupper();
  return done;
}

bool has_avx2() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2");
}
#endif

// Moves `unit` from [0, 1) to [low, high). Rounding can give `high` itself, which becomes `low`.
float scaled(float unit, float low, float high) {
  const float value = low + (high - low) * unit;
  return value == high ? low : value;
}

// Two independent standard normal numbers (Box and Muller, "A note on the generation of random
// normal deviates", 1958). The half added to the first word keeps the logarithm finite.
std::pair<float, float> normal_pair(std::uint32_t first, std::uint32_t second) {
  const float u = static_cast<float>(first) * 0x1.0p-32f + 0x1.0p-33f;
  const float angle = static_cast<float>(second) * (0x1.0p-31f * std::numbers::pi_v<float>);
  const float radius = std::sqrt(-2.0f * std::log(u));
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

}  // namespace

PhiloxCounter philox4x32(PhiloxCounter counter, PhiloxKey key) {
  PhiloxBlock block{counter[0], counter[1], counter[2], counter[3]};
  block.all_rounds(key[0], key[1]);
  return {block.w0, block.w1, block.w2, block.w3};
}

void philox_fill(std::span<std::uint32_t> words, std::uint64_t seed, std::uint32_t stream,
                 std::uint32_t step, std::uint64_t first_block) {
  if (words.size() % 4 != 0) {
    throw ValueError(
        format("philox_fill: expected a multiple of 4 words, received ", words.size()));
  }
  const std::size_t blocks = words.size() / 4;
  std::size_t done = 0;
#if defined(__x86_64__)
  static const bool vectors = has_avx2();
  if (vectors) done = fill_avx2(words.data(), blocks, key_of(seed), stream, step, first_block);
#endif
  fill_portable(words.data(), done, blocks, key_of(seed), stream, step, first_block);
}

void Random::refill() {
  philox_fill(words_, seed_, stream_, step_, block_);
  block_ += kWords / 4;
  next_ = 0;
}

float Random::uniform(float low, float high) { return scaled(uniform(), low, high); }

std::int64_t Random::integer(std::int64_t low, std::int64_t high) {
  if (low >= high) {
    throw ValueError(
        format("Random::integer: expected low < high, received [", low, ", ", high, ")"));
  }
  // Unsigned, because high - low need not fit an int64.
  const std::uint64_t first = static_cast<std::uint64_t>(low);
  const std::uint64_t range = static_cast<std::uint64_t>(high) - first;
  return static_cast<std::int64_t>(first + below(range));
}

std::uint64_t Random::below(std::uint64_t range) {
  constexpr std::uint64_t kTwo32 = std::uint64_t{1} << 32;
  if (range <= kTwo32) {
    std::uint64_t product = word() * range;
    if (static_cast<std::uint32_t>(product) < range) {
      const std::uint64_t threshold = (kTwo32 - range) % range;
      while (static_cast<std::uint32_t>(product) < threshold) product = word() * range;
    }
    return product >> 32;
  }
  __extension__ using Wide = unsigned __int128;
  const auto draw = [&]() -> Wide {
    const std::uint64_t lower = word();
    return Wide{lower | (std::uint64_t{word()} << 32)} * range;
  };
  Wide product = draw();
  if (static_cast<std::uint64_t>(product) < range) {
    const std::uint64_t threshold = (0 - range) % range;
    while (static_cast<std::uint64_t>(product) < threshold) product = draw();
  }
  return static_cast<std::uint64_t>(product >> 64);
}

float Random::normal(float mean, float stddev) {
  if (has_spare_) {
    has_spare_ = false;
    return mean + stddev * spare_;
  }
  const std::uint32_t first = word();
  const auto [value, spare] = normal_pair(first, word());
  spare_ = spare;
  has_spare_ = true;
  return mean + stddev * value;
}

void Random::fill_uniform(std::span<float> values, float low, float high) {
  in_bulk_ += values.size();
  const auto take = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      values[i] = scaled(unit_float(words_[next_ + i]), low, high);
    }
    next_ += count;
    values = values.subspan(count);
  };
  take(std::min(values.size(), kWords - next_));
  while (values.size() >= kWords) {
    refill();
    take(kWords);
  }
  if (!values.empty()) {
    refill();
    take(values.size());
  }
}

void Random::fill_normal(std::span<float> values, float mean, float stddev) {
  in_bulk_ += values.size();
  std::size_t i = 0;
  if (has_spare_ && !values.empty()) values[i++] = normal(mean, stddev);
  for (; i + 2 <= values.size(); i += 2) {
    const std::uint32_t first = word();
    const auto [even, odd] = normal_pair(first, word());
    values[i] = mean + stddev * even;
    values[i + 1] = mean + stddev * odd;
  }
  if (i < values.size()) values[i] = normal(mean, stddev);
}

}  // namespace stoker
