#include "feed/ring/nan_scan.h"

#include <cstring>

namespace stoker::feed {
namespace {

// This uses vectors of GCC's and Clang's, since at -O2 a plain loop would not become vector code.
template <class Word>
struct VectorOf;
template <>
struct VectorOf<std::int32_t> {
  typedef std::int32_t type __attribute__((vector_size(16), may_alias, aligned(4)));
};
template <>
struct VectorOf<std::int16_t> {
  typedef std::int16_t type __attribute__((vector_size(16), may_alias, aligned(2)));
};

// Returns whether there is a NaN. Without the sign the bits of a NaN are above those of infinity,
// so that the difference is negative. Within a block there is no early exit, since this scan has to
// be fast: it reads every batch.
template <class Word>
std::optional<std::int64_t> find_above(const std::byte* data, std::int64_t count, Word magnitude,
                                       Word infinity) {
  using Vector = typename VectorOf<Word>::type;
  constexpr std::int64_t kLanes = sizeof(Vector) / sizeof(Word);
  constexpr std::int64_t kBlock = 64 * kLanes;
  const auto* vectors = reinterpret_cast<const Vector*>(data);
  std::int64_t begin = 0;
  for (; begin + kBlock <= count; begin += kBlock) {
    Vector even{};
    Vector odd{};
    for (std::int64_t i = begin / kLanes; i < (begin + kBlock) / kLanes; i += 2) {
      even |= infinity - (vectors[i] & magnitude);
      odd |= infinity - (vectors[i + 1] & magnitude);
    }
    even |= odd;
    Word signs = 0;
    for (std::int64_t lane = 0; lane < kLanes; ++lane)
      signs = static_cast<Word>(signs | even[lane]);
    if (signs < 0) break;
  }
  for (std::int64_t i = begin; i < count; ++i) {
    Word word;
    std::memcpy(&word, data + static_cast<std::size_t>(i) * sizeof(Word), sizeof(Word));
    if ((word & magnitude) > infinity) return i;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::int64_t> find_nan(const std::byte* data, DType dtype, std::int64_t count) {
  switch (dtype) {
    case DType::float32:
      return find_above<std::int32_t>(data, count, 0x7fffffff, 0x7f800000);
    case DType::bfloat16:
      return find_above<std::int16_t>(data, count, 0x7fff, 0x7f80);
    case DType::float16:
      return find_above<std::int16_t>(data, count, 0x7fff, 0x7c00);
    default:
      return std::nullopt;
  }
}

}  // namespace stoker::feed
