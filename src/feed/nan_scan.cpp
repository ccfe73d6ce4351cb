#include "feed/nan_scan.h"

#include <algorithm>
#include <cstring>

namespace stoker::feed {
namespace {

// A NaN's bits without the sign are above those of infinity. In blocks of one size and without an
// exit, which compilers turn into vector code: this reads every batch.
template <class Word>
std::optional<std::int64_t> find_above(const std::byte* data, std::int64_t count, Word magnitude,
                                       Word infinity) {
  constexpr std::int64_t kBlock = 256;
  Word words[kBlock];
  for (std::int64_t begin = 0; begin < count; begin += kBlock) {
    const std::int64_t size = std::min(kBlock, count - begin);
    std::memcpy(words, data + static_cast<std::size_t>(begin) * sizeof(Word),
                static_cast<std::size_t>(size) * sizeof(Word));
    std::fill(words + size, words + kBlock, Word{0});
    Word largest = 0;
    for (std::int64_t i = 0; i < kBlock; ++i) {
      largest = std::max(largest, static_cast<Word>(words[i] & magnitude));
    }
    if (largest <= infinity) continue;
    for (std::int64_t i = 0; i < size; ++i) {
      if (static_cast<Word>(words[i] & magnitude) > infinity) return begin + i;
    }
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
