#include "stoker/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "stoker/error.h"

namespace stoker {
namespace {

// Known-answer vectors of Random123 (tests/kat_vectors, philox4x32 with 10 rounds).
TEST(Philox, gives_the_published_known_answers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, fill_gives_the_known_answers) {
  std::array<std::uint32_t, 4> words{};
  philox_fill(words, 0x299f31d0a4093822, 0x13198a2e, 0x03707344, 0x85a308d3243f6a88);
  EXPECT_EQ(words, (std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

// The starts carry from the counter's low half into its high half, and wrap around; the sizes leave
// every remainder of the vectorised loop.
TEST(Philox, fill_equals_single_blocks_for_every_size_and_start) {
  constexpr std::uint64_t kSeed = 0x0123456789abcdef;
  for (const std::uint64_t first :
       {std::uint64_t{0}, std::uint64_t{0xfffffffb}, std::uint64_t{0xfffffffffffffffa}}) {
    for (std::size_t blocks = 0; blocks < 40; ++blocks) {
      std::vector<std::uint32_t> words(4 * blocks);
      philox_fill(words, kSeed, 5, 6, first);
      for (std::size_t i = 0; i < blocks; ++i) {
        const std::uint64_t block = first + i;
        const PhiloxCounter expected = philox4x32(
            {static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), 5, 6},
            {0x89abcdef, 0x01234567});
        ASSERT_TRUE(std::equal(expected.begin(), expected.end(), words.begin() + 4 * i))
            << "block " << i << " of " << blocks << " from " << first;
      }
    }
  }
}

TEST(Philox, fill_refuses_a_part_of_a_block) {
  std::array<std::uint32_t, 6> words{};
  try {
    philox_fill(words, 0, 0, 0, 0);
    FAIL() << "expected a ValueError";
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(), "philox_fill: expected a multiple of 4 words, received 6");
  }
}

TEST(Random, words_are_those_of_philox_from_block_zero) {
  Random random(9, 8, 7);
  std::array<std::uint32_t, 1024> expected{};
  philox_fill(expected, 9, 8, 7, 0);
  for (const std::uint32_t word : expected) ASSERT_EQ(random.word(), word);
}

TEST(Random, every_part_of_the_key_changes_the_numbers) {
  std::set<std::uint32_t> firsts;
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32}) {
    for (std::uint32_t stream = 0; stream < 10; ++stream) {
      for (std::uint32_t step = 0; step < 10; ++step) {
        firsts.insert(Random(seed, stream, step).word());
      }
    }
  }
  EXPECT_EQ(firsts.size(), 300U);
}

TEST(Random, neighbouring_keys_are_uncorrelated) {
  constexpr int kCount = 100000;
  Random a(1, 2, 3);
  Random b(1, 2, 4);
  double product = 0.0;
  for (int i = 0; i < kCount; ++i) product += (a.uniform() - 0.5) * (b.uniform() - 0.5);
  // The correlation's standard deviation is 1 / sqrt(count): four of them.
  EXPECT_NEAR(product / kCount * 12.0, 0.0, 4.0 / std::sqrt(kCount));
}

TEST(Random, unit_float_covers_zero_to_just_below_one) {
  EXPECT_EQ(unit_float(0), 0.0f);
  EXPECT_EQ(unit_float(0xff), 0.0f);
  EXPECT_EQ(unit_float(0x80000000), 0.5f);
  EXPECT_EQ(unit_float(0xffffffff), 1.0f - 0x1.0p-24f);
}

TEST(Random, uniform_fills_its_interval_evenly) {
  constexpr int kBins = 64;
  constexpr int kCount = 640000;
  constexpr double kExpected = 1.0 * kCount / kBins;
  std::array<int, kBins> counts{};
  Random random(3);
  for (int i = 0; i < kCount; ++i) {
    const float value = random.uniform(-1.0f, 1.0f);
    ASSERT_GE(value, -1.0f);
    ASSERT_LT(value, 1.0f);
    ++counts[static_cast<std::size_t>((value + 1.0f) * (kBins / 2.0f))];
  }
  double chi_squared = 0.0;
  for (const int count : counts) {
    const double difference = count - kExpected;
    chi_squared += difference * difference / kExpected;
  }
  // 63 degrees of freedom: above 120 once in 10^5 seeds.
  EXPECT_LT(chi_squared, 120.0);
}

// Scaling rounds the largest unit floats up to the end of most intervals.
TEST(Random, uniform_never_returns_the_open_end) {
  Random random(5);
  const float low = 1.0f;
  const float high = std::nextafter(low, 2.0f);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(random.uniform(low, high), low);
}

TEST(Random, bulk_uniform_equals_one_at_a_time_from_any_position) {
  for (const std::size_t before : {0, 1, 100, 255, 256, 257}) {
    for (const std::size_t count : {0, 1, 155, 156, 256, 511, 513, 2000}) {
      Random bulk(11, 1, 2);
      Random single(11, 1, 2);
      for (std::size_t i = 0; i < before; ++i) ASSERT_EQ(bulk.word(), single.word());
      std::vector<float> values(count);
      bulk.fill_uniform(values, -0.1f, 0.7f);
      for (const float value : values) ASSERT_EQ(value, single.uniform(-0.1f, 0.7f));
      ASSERT_EQ(bulk.word(), single.word()) << before << " before " << count;
    }
  }
}

TEST(Random, bulk_uniform_of_the_unit_interval_equals_uniform) {
  Random bulk(12);
  Random single(12);
  std::vector<float> values(1000);
  bulk.fill_uniform(values);
  for (const float value : values) ASSERT_EQ(value, single.uniform());
}

TEST(Random, bulk_normal_equals_one_at_a_time_and_keeps_the_spare) {
  Random bulk(13);
  Random single(13);
  for (const std::size_t count : {1, 2, 3, 0, 1, 256, 257, 4}) {
    std::vector<float> values(count);
    bulk.fill_normal(values, 1.0f, 3.0f);
    for (const float value : values) ASSERT_EQ(value, single.normal(1.0f, 3.0f));
  }
  EXPECT_EQ(bulk.word(), single.word());
}

TEST(Random, normal_has_the_moments_and_tails_of_its_distribution) {
  constexpr int kCount = 1000000;
  Random random(17);
  std::vector<float> values(kCount);
  random.fill_normal(values);
  std::array<double, 5> moments{};
  int beyond_two = 0;
  for (const double value : values) {
    ASSERT_TRUE(std::isfinite(value));
    for (int power = 1; power < 5; ++power) moments[power] += std::pow(value, power) / kCount;
    beyond_two += std::abs(value) > 2.0;
  }
  EXPECT_NEAR(moments[1], 0.0, 0.005);
  EXPECT_NEAR(moments[2], 1.0, 0.01);
  EXPECT_NEAR(moments[3], 0.0, 0.02);
  EXPECT_NEAR(moments[4], 3.0, 0.05);
  EXPECT_NEAR(static_cast<double>(beyond_two) / kCount, 0.0455, 0.001);
}

TEST(Random, integers_of_small_ranges_are_unbiased) {
  for (const int range : {1, 2, 3, 7, 10, 1000}) {
    std::vector<int> counts(range);
    Random random(19);
    const int expected = 1000;
    for (int i = 0; i < range * expected; ++i) {
      const std::int64_t value = random.integer(-3, range - 3);
      ASSERT_GE(value, -3);
      ASSERT_LT(value, range - 3);
      ++counts[static_cast<std::size_t>(value + 3)];
    }
    double chi_squared = 0.0;
    for (const int count : counts) {
      chi_squared += static_cast<double>(count - expected) * (count - expected) / expected;
    }
    // Mean range - 1, variance 2 (range - 1): five standard deviations.
    EXPECT_LE(chi_squared, range - 1 + 5 * std::sqrt(2.0 * (range - 1))) << "range " << range;
  }
}

// Without rejection, 3 * 2^30 values would come up in the ratio 2 : 1 : 1 by their remainder.
TEST(Random, integers_of_a_large_range_are_unbiased) {
  constexpr std::int64_t kRange = std::int64_t{3} << 30;
  std::array<int, 3> counts{};
  Random random(23);
  for (int i = 0; i < 300000; ++i)
    ++counts[static_cast<std::size_t>(random.integer(0, kRange) % 3)];
  for (const int count : counts) EXPECT_NEAR(count, 100000, 1500);
}

TEST(Random, ranges_around_and_beyond_32_bits_reach_both_halves) {
  constexpr std::int64_t kTwo32 = std::int64_t{1} << 32;
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  const std::array<std::array<std::int64_t, 2>, 6> ranges{{{0, kTwo32 - 1},
                                                           {-5, kTwo32 - 5},
                                                           {0, kTwo32 + 1},
                                                           {-kTwo32 * 1000, kTwo32 * 1000},
                                                           {kMin, kMax},
                                                           {kMin, 1}}};
  for (const auto& [low, high] : ranges) {
    Random random(29);
    const double middle = static_cast<double>(low) / 2 + static_cast<double>(high) / 2;
    int below = 0;
    for (int i = 0; i < 10000; ++i) {
      const std::int64_t value = random.integer(low, high);
      ASSERT_GE(value, low);
      ASSERT_LT(value, high);
      below += static_cast<double>(value) < middle;
    }
    EXPECT_NEAR(below, 5000, 250) << "[" << low << ", " << high << ")";
  }
}

TEST(Random, a_range_of_two_to_the_32_gives_the_words_themselves) {
  Random integers(31);
  Random words(31);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(integers.integer(0, std::int64_t{1} << 32), words.word());
  }
}

TEST(Random, an_empty_range_is_refused) {
  Random random;
  for (const std::int64_t high : {5, 4}) {
    try {
      (void)random.integer(5, high);
      FAIL() << "expected a ValueError";
    } catch (const ValueError& error) {
      EXPECT_EQ(error.what(),
                "Random::integer: expected low < high, received [5, " + std::to_string(high) + ")");
    }
  }
}

TEST(Random, a_copy_continues_alike) {
  Random original(37);
  (void)original.normal();
  Random copy = original;
  for (int i = 0; i < 600; ++i) ASSERT_EQ(original.normal(), copy.normal());
}

}  // namespace
}  // namespace stoker
