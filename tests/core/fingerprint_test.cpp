// Hashes. The numbers are TensorFlow 2.21's: tf.strings.to_hash_bucket_fast(text, 2**63 - 1) and
// tf.strings.to_hash_bucket_strong(text, 2**63 - 1, key=[133, 137]).
#include "core/fingerprint.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace stoker {
namespace {

struct Hashed {
  std::string_view text;
  std::uint64_t fast, strong;
};
constexpr std::uint64_t kBuckets = (std::uint64_t{1} << 63) - 1;
constexpr Hashed kHashed[] = {
    {"", 1936946117179621456, 4928313950774450900},
    {"a", 3694432073954588132, 7077939996121841354},
    {"ab", 3066228220894225695, 3814769135020288330},
    {"abc", 2640714258260161385, 6899845086433867945},
    {"abcd", 1897425971756105985, 7808205235328240072},
    {"hello", 3786372426573024489, 1067426241479190957},
    {"A", 7691922019767284757, 2734447641339851217},
    {"1234567", 7403371938570208423, 4057864270701072911},
    {"12345678", 3430003927990384362, 6204608272998402685},
    {"sixteen letters!", 2002216074193146116, 5108401819708426203},
    {"seventeen letters", 7723131893474706300, 3136530113171717642},
    {"a text of thirty-three characters", 2712283169777969903, 8891927888910228617},
    {"0123456789012345678901234567890123456789012345678901234567890123", 2412774951922279962,
     4546191456823408718},
    {"01234567890123456789012345678901234567890123456789012345678901234", 3297966005566417389,
     7621667087385109430},
    {"012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012"
     "3456789012345678901234567890123456789",
     1497403020669705477, 145561070717970773},
    {"żółw 🐢", 5676643088814476634, 6472424731927892960},
    {"-2147483648", 6520386892892340469, 2218586218868068924},
    {"0", 5975597238397796928, 3811194907141297369},
    {"-1", 7333874265151076430, 1365799947328981874},
    {"101", 7111978204949978653, 6348341703059138397},
};

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

TEST(Fingerprint, OfTextsOfEveryLengthIsTensorFlows) {
  for (const Hashed& one : kHashed) {
    EXPECT_EQ(fingerprint64(bytes_of(one.text), one.text.size()) % kBuckets, one.fast) << one.text;
  }
}

TEST(Fingerprint, WithAKeyIsTensorFlows) {
  for (const Hashed& one : kHashed) {
    EXPECT_EQ(siphash64(bytes_of(one.text), one.text.size(), {133, 137}) % kBuckets, one.strong)
        << one.text;
  }
}

// tf.sparse.cross_hashed of two numbers, with 1000 buckets.
TEST(Fingerprint, OfTwoFingerprintsIsTensorFlows) {
  const auto crossed = [](std::uint64_t first, std::uint64_t second) {
    return joined_fingerprint(joined_fingerprint(kCrossingSeed, first), second) % 1000;
  };
  EXPECT_EQ(crossed(101, 102), 342U);
  EXPECT_EQ(crossed(102, 103), 842U);
  EXPECT_EQ(crossed(static_cast<std::uint64_t>(-1), static_cast<std::uint64_t>(-2147483648)), 865U);
}

TEST(Fingerprint, OfANumberIsThatOfItsDecimalText) {
  for (const std::int32_t number : {0, -1, 101, std::numeric_limits<std::int32_t>::min()}) {
    const std::string text = std::to_string(number);
    EXPECT_EQ(fingerprint_of(number), fingerprint64(bytes_of(text), text.size()));
    EXPECT_EQ(siphash_of(number, {1, 2}), siphash64(bytes_of(text), text.size(), {1, 2}));
  }
  const Decimal least(std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(std::string(least.text(), least.text() + least.length()), "-9223372036854775808");
}

}  // namespace
}  // namespace stoker
