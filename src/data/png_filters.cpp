// A pixel depends on the one to its left, so that a row is as fast as the chain of operations from
// pixel to pixel is short. The bytes of one pixel lie side by side in a vector register and stay
// there as the next one's left neighbour, as in libpng's code for SSE2.
#include "data/png_filters.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace stoker::image {
namespace {

#if defined(__x86_64__)

// The bytes of a pixel, each in a lane of 16 bits whose upper byte is 0.
using Pixel = __m128i;

template <std::size_t Bytes>
Pixel load(const std::uint8_t* from) {
  std::uint64_t bytes = 0;
  std::memcpy(&bytes, from, Bytes);
  return _mm_unpacklo_epi8(_mm_cvtsi64_si128(static_cast<long long>(bytes)), _mm_setzero_si128());
}

template <std::size_t Bytes>
void store(std::uint8_t* to, Pixel pixel) {
  const long long bytes = _mm_cvtsi128_si64(_mm_packus_epi16(pixel, pixel));
  std::memcpy(to, &bytes, Bytes);
}

// Adds modulo 256, for which the upper bytes need no care.
Pixel add(Pixel a, Pixel b) { return _mm_add_epi8(a, b); }
Pixel zero() { return _mm_setzero_si128(); }
Pixel average(Pixel a, Pixel b) { return _mm_srli_epi16(_mm_add_epi16(a, b), 1); }

// Returns the one of left, above and corner that is nearest to left + above - corner; of equally
// near ones the first. With t = 3 corner - left - above that is the lesser of left and above where
// t is at least as large as either, the greater where t is at most as large as either, and
// otherwise the corner: Fabian Giesen's form, known from stb_image. From `left`, which is known
// last, to the result are five operations, where absolute differences take nine.
Pixel paeth(Pixel left, Pixel above, Pixel corner) {
  const Pixel rest = _mm_sub_epi16(_mm_add_epi16(_mm_add_epi16(corner, corner), corner), above);
  const Pixel t = _mm_sub_epi16(rest, left);
  const Pixel low = _mm_min_epi16(left, above);
  const Pixel high = _mm_max_epi16(left, above);
  const Pixel below_high = _mm_cmpgt_epi16(high, t);
  const Pixel above_low = _mm_cmpgt_epi16(t, low);
  // Where t is both, low and high are one.
  return _mm_or_si128(
      _mm_or_si128(_mm_andnot_si128(below_high, low), _mm_andnot_si128(above_low, high)),
      _mm_and_si128(_mm_and_si128(below_high, corner), above_low));
}

void add_rows(std::span<const std::uint8_t> from, const std::uint8_t* above, std::uint8_t* to) {
  std::size_t i = 0;
  for (; i + 16 <= from.size(); i += 16) {
    const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from.data() + i));
    const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(above + i));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), _mm_add_epi8(a, b));
  }
  for (; i < from.size(); ++i) to[i] = static_cast<std::uint8_t>(from[i] + above[i]);
}

#else

struct Pixel {
  std::uint8_t bytes[8];
};

template <std::size_t Bytes>
Pixel load(const std::uint8_t* from) {
  Pixel pixel{};
  std::memcpy(pixel.bytes, from, Bytes);
  return pixel;
}

template <std::size_t Bytes>
void store(std::uint8_t* to, const Pixel& pixel) {
  std::memcpy(to, pixel.bytes, Bytes);
}

template <class F>
Pixel each(F f) {
  Pixel pixel{};
  for (int i = 0; i < 8; ++i) pixel.bytes[i] = static_cast<std::uint8_t>(f(i));
  return pixel;
}

Pixel add(const Pixel& a, const Pixel& b) {
  return each([&](int i) { return a.bytes[i] + b.bytes[i]; });
}
Pixel zero() { return {}; }
Pixel average(const Pixel& a, const Pixel& b) {
  return each([&](int i) { return (a.bytes[i] + b.bytes[i]) >> 1; });
}
Pixel paeth(const Pixel& left, const Pixel& above, const Pixel& corner) {
  return each([&](int i) {
    const int a = left.bytes[i];
    const int b = above.bytes[i];
    const int c = corner.bytes[i];
    const int t = 3 * c - a - b;
    if (t >= std::max(a, b)) return std::min(a, b);
    return t <= std::min(a, b) ? std::max(a, b) : c;
  });
}

void add_rows(std::span<const std::uint8_t> from, const std::uint8_t* above, std::uint8_t* to) {
  for (std::size_t i = 0; i < from.size(); ++i) {
    to[i] = static_cast<std::uint8_t>(from[i] + above[i]);
  }
}

#endif

// Makes each pixel from the filtered one, the one to its left, the one above and the one above the
// left. Memory is read and written in four or eight bytes where the row has so many left; what
// exceeds the pixel is overwritten by the next.
template <std::size_t Bytes, bool UsesAbove, class Predict>
void go_through(std::span<const std::uint8_t> from, const std::uint8_t* above, std::uint8_t* to,
                Predict predict) {
  constexpr std::size_t kWide = Bytes <= 4 ? 4 : 8;
  Pixel left = zero();
  Pixel corner = zero();
  std::size_t i = 0;
  for (; i + kWide <= from.size(); i += Bytes) {
    const Pixel up = UsesAbove ? load<kWide>(above + i) : zero();
    left = add(load<kWide>(from.data() + i), predict(left, up, corner));
    corner = up;
    store<kWide>(to + i, left);
  }
  for (; i < from.size(); i += Bytes) {
    const Pixel up = UsesAbove ? load<Bytes>(above + i) : zero();
    left = add(load<Bytes>(from.data() + i), predict(left, up, corner));
    corner = up;
    store<Bytes>(to + i, left);
  }
}

template <std::size_t Bytes>
bool undo(int filter, std::span<const std::uint8_t> from, const std::uint8_t* above,
          std::uint8_t* to) {
  switch (filter) {
    case 0:
      std::ranges::copy(from, to);
      return true;
    case 1:
      go_through<Bytes, false>(from, above, to, [](Pixel left, Pixel, Pixel) { return left; });
      return true;
    case 2:
      add_rows(from, above, to);
      return true;
    case 3:
      go_through<Bytes, true>(from, above, to,
                              [](Pixel left, Pixel up, Pixel) { return average(left, up); });
      return true;
    case 4:
      go_through<Bytes, true>(from, above, to, [](Pixel left, Pixel up, Pixel corner) {
        return paeth(left, up, corner);
      });
      return true;
    default:
      return false;
  }
}

}  // namespace

bool undo_png_filter(int filter, int bytes_per_pixel, std::span<const std::uint8_t> from,
                     const std::uint8_t* above, std::uint8_t* to) {
  switch (bytes_per_pixel) {
    case 1:
      return undo<1>(filter, from, above, to);
    case 2:
      return undo<2>(filter, from, above, to);
    case 3:
      return undo<3>(filter, from, above, to);
    case 4:
      return undo<4>(filter, from, above, to);
    case 6:
      return undo<6>(filter, from, above, to);
    case 8:
      return undo<8>(filter, from, above, to);
    default:
      return false;
  }
}

}  // namespace stoker::image
