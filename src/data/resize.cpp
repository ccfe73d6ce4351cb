// Resizes images as Keras does: pixels are squares, and there is no antialiasing.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "data/image_size.h"
#include "stoker/image.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace stoker {
namespace {

using data::require;

// The place of a pixel of the new size in the old one: the two pixels next to it, as offsets, and
// the weight of the second.
struct Tap {
  std::int64_t first;
  std::int64_t second;
  float weight;
};

void make_taps(std::vector<Tap>& taps, std::int64_t from, std::int64_t to, std::int64_t pitch) {
  taps.resize(static_cast<std::size_t>(to));
  const float scale = static_cast<float>(from) / static_cast<float>(to);
  for (std::int64_t i = 0; i < to; ++i) {
    const float at = (static_cast<float>(i) + 0.5f) * scale - 0.5f;
    const float below = std::floor(at);
    const auto first = static_cast<std::int64_t>(below);
    taps[static_cast<std::size_t>(i)] = {pitch * std::clamp<std::int64_t>(first, 0, from - 1),
                                         pitch * std::clamp<std::int64_t>(first + 1, 0, from - 1),
                                         at - below};
  }
}

// A row of the new height, between two rows of the old image.
template <class T>
struct Row {
  const T* upper;
  const T* lower;
  float weight;  // the weight of the lower one
};

// Computes the pixels of the row from number `begin` on.
template <class T>
void blend(const Row<T>& row, std::span<const Tap> columns, std::size_t begin,
           std::int64_t channels, T* to) {
  T* out = to + static_cast<std::int64_t>(begin) * channels;
  for (const Tap& column : columns.subspan(begin)) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const auto a = static_cast<float>(row.upper[column.first + c]);
      const auto b = static_cast<float>(row.lower[column.first + c]);
      const float right_a = static_cast<float>(row.upper[column.second + c]);
      const float right_b = static_cast<float>(row.lower[column.second + c]);
      const float top = a + (right_a - a) * column.weight;
      const float bottom = b + (right_b - b) * column.weight;
      const float value = top + (bottom - top) * row.weight;
      if constexpr (std::is_same_v<T, std::uint8_t>) {
        *out++ = static_cast<std::uint8_t>(value + 0.5f);  // never outside of [0, 255]
      } else {
        *out++ = value;
      }
    }
  }
}

// Returns how many pixels can be made four bytes at a time. Four bytes hold the channels of a pixel
// and perhaps more, which the next pixel overwrites; the pixel must read and write within its row.
std::size_t pixels_by_fours([[maybe_unused]] std::span<const Tap> columns,
                            [[maybe_unused]] std::int64_t pitch,
                            [[maybe_unused]] std::int64_t channels) {
#if defined(__x86_64__)
  if (channels > 4) return 0;
  const auto fits = [&](const Tap& column) { return column.second + 4 <= pitch; };
  const auto end = std::ranges::partition_point(columns, fits) - columns.begin();
  const std::int64_t writing = static_cast<std::int64_t>(columns.size()) - (3 / channels);
  return static_cast<std::size_t>(std::max<std::int64_t>(0, std::min<std::int64_t>(end, writing)));
#else
  return 0;
#endif
}

// Blends the first pixels of a row with the very operations of blend(), 2.7 times as fast.
void blend_by_fours([[maybe_unused]] const Row<std::uint8_t>& row,
                    [[maybe_unused]] std::span<const Tap> columns,
                    [[maybe_unused]] std::int64_t channels, [[maybe_unused]] std::uint8_t* out) {
#if defined(__x86_64__)
  const auto load = [zero = _mm_setzero_si128()](const std::uint8_t* from) {
    int bytes = 0;
    std::memcpy(&bytes, from, 4);
    const __m128i words = _mm_unpacklo_epi8(_mm_cvtsi32_si128(bytes), zero);
    return _mm_cvtepi32_ps(_mm_unpacklo_epi16(words, zero));
  };
  const auto between = [](__m128 a, __m128 b, __m128 weight) {
    return _mm_add_ps(a, _mm_mul_ps(_mm_sub_ps(b, a), weight));
  };
  const __m128 down = _mm_set1_ps(row.weight);
  const __m128 half = _mm_set1_ps(0.5f);
  for (const Tap& column : columns) {
    const __m128 right = _mm_set1_ps(column.weight);
    const __m128 top =
        between(load(row.upper + column.first), load(row.upper + column.second), right);
    const __m128 bottom =
        between(load(row.lower + column.first), load(row.lower + column.second), right);
    const __m128 value = _mm_add_ps(between(top, bottom, down), half);
    const __m128i words = _mm_packs_epi32(_mm_cvttps_epi32(value), _mm_setzero_si128());
    const int bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    std::memcpy(out, &bytes, 4);
    out += channels;
  }
#endif
}

// A range of pixels of each row.
struct Pixels {
  std::size_t begin = 0;
  std::size_t end = 0;
};

#if defined(__x86_64__)
bool has_avx2() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2");
}

// Blends pixels two at a time with the very operations of blend(). Eight bytes of a row hold both
// neighbours of a pixel. The number of pixels must be even.
__attribute__((target("avx2"))) void blend_by_pairs_avx2(const Row<std::uint8_t>& row,
                                                         std::span<const Tap> columns,
                                                         std::int64_t channels, std::uint8_t* out) {
  const auto c = static_cast<char>(channels);
  // The left neighbours of both pixels, and then the right ones.
  const __m128i order =
      _mm_setr_epi8(0, 1, 2, 3, 8, 9, 10, 11, c, static_cast<char>(c + 1), static_cast<char>(c + 2),
                    static_cast<char>(c + 3), static_cast<char>(c + 8), static_cast<char>(c + 9),
                    static_cast<char>(c + 10), static_cast<char>(c + 11));
  const __m256 down = _mm256_set1_ps(row.weight);
  const __m256 half = _mm256_set1_ps(0.5f);
  for (std::size_t i = 0; i < columns.size(); i += 2) {
    const Tap& one = columns[i];
    const Tap& other = columns[i + 1];
    const __m256 weight = _mm256_set_m128(_mm_set1_ps(other.weight), _mm_set1_ps(one.weight));
    __m256 across[2];
    const std::uint8_t* const rows[2] = {row.upper, row.lower};
#pragma GCC unroll 2
    for (int k = 0; k < 2; ++k) {
      const __m128i left = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(rows[k] + one.first));
      const __m128i right =
          _mm_loadl_epi64(reinterpret_cast<const __m128i*>(rows[k] + other.first));
      const __m128i bytes = _mm_shuffle_epi8(_mm_unpacklo_epi64(left, right), order);
      const __m256 a = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
      const __m256 b = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)));
      across[k] = _mm256_add_ps(a, _mm256_mul_ps(_mm256_sub_ps(b, a), weight));
    }
    const __m256 blended =
        _mm256_add_ps(across[0], _mm256_mul_ps(_mm256_sub_ps(across[1], across[0]), down));
    const __m256i values = _mm256_cvttps_epi32(_mm256_add_ps(blended, half));
    const __m256i words = _mm256_packs_epi32(values, values);
    const __m256i pixels = _mm256_packus_epi16(words, words);
    const int first = _mm_cvtsi128_si32(_mm256_castsi256_si128(pixels));
    const int second = _mm_cvtsi128_si32(_mm256_extracti128_si256(pixels, 1));
    std::memcpy(out, &first, 4);
    std::memcpy(out + channels, &second, 4);
    out += 2 * channels;
  }
  // g++ 12 omits this before some returns, and without it the caller's SSE code is slow.
  _mm256_zeroupper();
}
#endif

// Returns those of the first `count` pixels, which can be made four bytes at a time, that can be
// made in pairs: whose two neighbours lie side by side, with eight bytes from the first one on.
Pixels pixels_by_pairs([[maybe_unused]] std::span<const Tap> columns,
                       [[maybe_unused]] std::size_t count, [[maybe_unused]] std::int64_t pitch,
                       [[maybe_unused]] std::int64_t channels) {
#if defined(__x86_64__)
  static const bool vectors = has_avx2();
  if (!vectors) return {};
  const auto fits = [&](const Tap& column) {
    return column.second == column.first + channels && column.first + 8 <= pitch;
  };
  Pixels pairs;
  while (pairs.begin < count && !fits(columns[pairs.begin])) ++pairs.begin;
  pairs.end = pairs.begin;
  while (pairs.end + 2 <= count && fits(columns[pairs.end]) && fits(columns[pairs.end + 1])) {
    pairs.end += 2;
  }
  return pairs;
#else
  return {};
#endif
}

// Blends the first `count` pixels of a row, which can be made four bytes at a time.
void blend_by_vectors([[maybe_unused]] const Row<std::uint8_t>& row, std::span<const Tap> columns,
                      std::size_t count, const Pixels& pairs, std::int64_t channels,
                      std::uint8_t* out) {
  const auto place = [&](std::size_t pixel) {
    return out + static_cast<std::int64_t>(pixel) * channels;
  };
  blend_by_fours(row, columns.first(pairs.begin), channels, out);
#if defined(__x86_64__)
  if (pairs.end > pairs.begin) {
    blend_by_pairs_avx2(row, columns.subspan(pairs.begin, pairs.end - pairs.begin), channels,
                        place(pairs.begin));
  }
#endif
  blend_by_fours(row, columns.subspan(pairs.end, count - pairs.end), channels, place(pairs.end));
}

template <class T>
void resize_bilinear(std::span<const T> from, const ImageSize& from_size, std::span<T> to,
                     const ImageSize& to_size) {
  thread_local std::vector<Tap> rows;
  thread_local std::vector<Tap> columns;
  const std::int64_t channels = to_size.channels;
  const std::int64_t pitch = from_size.width * channels;
  make_taps(rows, from_size.height, to_size.height, pitch);
  make_taps(columns, from_size.width, to_size.width, channels);
  const std::span<const Tap> all(columns);
  std::size_t done = 0;
  Pixels pairs;
  if constexpr (std::is_same_v<T, std::uint8_t>) {
    done = pixels_by_fours(all, pitch, channels);
    pairs = pixels_by_pairs(all, done, pitch, channels);
  }
  T* out = to.data();
  for (const Tap& tap : rows) {
    const Row<T> row{from.data() + tap.first, from.data() + tap.second, tap.weight};
    if constexpr (std::is_same_v<T, std::uint8_t>) {
      blend_by_vectors(row, all, done, pairs, channels, out);
    }
    blend(row, all, done, channels, out);
    out += to_size.width * channels;
  }
}

template <class T>
void resize_nearest(std::span<const T> from, const ImageSize& from_size, std::span<T> to,
                    const ImageSize& to_size) {
  const auto nearest = [](std::int64_t i, std::int64_t old_size, std::int64_t new_size) {
    const float scale = static_cast<float>(old_size) / static_cast<float>(new_size);
    const auto at = static_cast<std::int64_t>(std::floor((static_cast<float>(i) + 0.5f) * scale));
    return std::min(at, old_size - 1);
  };
  T* out = to.data();
  for (std::int64_t y = 0; y < to_size.height; ++y) {
    const T* row = from.data() + nearest(y, from_size.height, to_size.height) * from_size.width *
                                     from_size.channels;
    for (std::int64_t x = 0; x < to_size.width; ++x) {
      const T* pixel = row + nearest(x, from_size.width, to_size.width) * from_size.channels;
      out = std::copy_n(pixel, to_size.channels, out);
    }
  }
}

template <class T>
void resize_any(std::span<const T> from, const ImageSize& from_size, std::span<T> to,
                const ImageSize& to_size, Interpolation interpolation) {
  require(from, from_size, "resize, from");
  require(to, to_size, "resize, to");
  if (to_size.channels != from_size.channels) {
    throw ShapeError(format("resize: expected as many channels as before, ", from_size.channels,
                            ", received ", to_size.channels));
  }
  if (to.empty()) return;
  if (from.empty()) {
    throw ShapeError(format("resize: expected an image of at least one pixel, received ",
                            from_size.height, " x ", from_size.width));
  }
  if (from_size == to_size) {
    std::copy(from.begin(), from.end(), to.begin());
  } else if (interpolation == Interpolation::bilinear) {
    resize_bilinear(from, from_size, to, to_size);
  } else {
    resize_nearest(from, from_size, to, to_size);
  }
}

}  // namespace

void resize(std::span<const float> from, const ImageSize& from_size, std::span<float> to,
            const ImageSize& to_size, Interpolation interpolation) {
  resize_any(from, from_size, to, to_size, interpolation);
}
void resize(std::span<const std::uint8_t> from, const ImageSize& from_size,
            std::span<std::uint8_t> to, const ImageSize& to_size, Interpolation interpolation) {
  resize_any(from, from_size, to, to_size, interpolation);
}

}  // namespace stoker
