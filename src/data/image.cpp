// Functions that change images.
#include "stoker/image.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/format.h"
#include "data/image_size.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using data::require;

// Converts to T. A value outside of T's range becomes the nearest one within it, and NaN becomes 0.
template <class T>
T to_element(double value) {
  if constexpr (std::is_same_v<T, std::uint8_t>) {
    if (!(value > 0.0)) return 0;
    return value >= 255.0 ? std::uint8_t{255} : static_cast<std::uint8_t>(std::floor(value + 0.5));
  } else {
    constexpr auto kMost = static_cast<double>(std::numeric_limits<T>::max());
    if (std::isfinite(value)) value = std::clamp(value, -kMost, kMost);
    return static_cast<T>(value);
  }
}

// Coordinates beyond this are treated as this far away: they have no fractions that matter, and
// larger ones would overflow integers.
constexpr double kFar = 1e15;

double bounded(double at) { return std::isnan(at) ? 0.0 : std::clamp(at, -kFar, kFar); }

void require_range(const char* what, const ValueRange& range) {
  if (range.low <= range.high) return;  // false for NaN
  throw ValueError(format(what, ": expected a range whose low end is not above its high end, ",
                          "received [", range.low, ", ", range.high, "]"));
}

// Returns the pixel that a coordinate outside of [0, size) stands for; -1 if there is none.
std::int64_t folded(std::int64_t i, std::int64_t size, Fill fill) {
  if (i >= 0 && i < size) return i;
  switch (fill) {
    case Fill::constant:
      return -1;
    case Fill::nearest:
      return std::clamp<std::int64_t>(i, 0, size - 1);
    case Fill::wrap:
      return ((i % size) + size) % size;
    case Fill::reflect: {
      const std::int64_t period = 2 * size;
      const std::int64_t at = ((i % period) + period) % period;
      return at < size ? at : period - 1 - at;
    }
  }
  return -1;
}

// Coordinates are folded before they are interpolated, as Keras's backends do.
double folded(double at, std::int64_t size, Fill fill) {
  const auto length = static_cast<double>(size);
  switch (fill) {
    case Fill::constant:
    case Fill::nearest:
      return at;
    case Fill::wrap:
      return at - length * std::floor(at / length);
    case Fill::reflect: {
      const double period = 2.0 * length;
      const double shifted = at + 0.5 - period * std::floor((at + 0.5) / period);
      return (shifted < length ? shifted : period - shifted) - 0.5;
    }
  }
  return at;
}

// Reverses the order of the pixels of a row. With a number of channels that the compiler knows this
// takes a third of the time.
template <std::size_t Channels, class T>
void reverse_pixels(T* row, std::int64_t width) {
  using Pixel = std::array<T, Channels>;
  T* left = row;
  T* right = row + (width - 1) * static_cast<std::int64_t>(Channels);
  for (; left < right; left += Channels, right -= Channels) {
    Pixel a;
    Pixel b;
    std::memcpy(a.data(), left, sizeof a);
    std::memcpy(b.data(), right, sizeof b);
    std::memcpy(left, b.data(), sizeof b);
    std::memcpy(right, a.data(), sizeof a);
  }
}

}  // namespace

std::size_t ImageSize::elements() const {
  std::int64_t count = 0;
  if (height < 0 || width < 0 || channels < 0 || __builtin_mul_overflow(height, width, &count) ||
      __builtin_mul_overflow(count, channels, &count)) {
    throw ShapeError(format("ImageSize: expected extents of 0 or more and fewer than 2^63 ",
                            "elements, received ", height, " x ", width, " x ", channels));
  }
  return static_cast<std::size_t>(count);
}

std::int64_t augment::random_offset(std::int64_t from, std::int64_t to, Random& random) {
  if (to < 0 || from < to) {
    throw ShapeError(format("augment::Crop: expected a part of the image, received ", to,
                            " rows or columns of ", from));
  }
  return random.integer(0, from - to + 1);
}

template <class T>
void crop(std::span<const T> from, const ImageSize& from_size, std::span<T> to,
          const ImageSize& to_size, std::int64_t top, std::int64_t left) {
  require(from, from_size, "crop, from");
  require(to, to_size, "crop, to");
  const std::int64_t lowest = from_size.height - to_size.height;  // no extent is below 0
  const std::int64_t rightmost = from_size.width - to_size.width;
  if (to_size.channels != from_size.channels || top < 0 || left < 0 || top > lowest ||
      left > rightmost) {
    throw ShapeError(format("crop: expected a part of the image, received ", to_size.height, " x ",
                            to_size.width, " x ", to_size.channels, " at (", top, ", ", left,
                            ") of ", from_size.height, " x ", from_size.width, ", with ",
                            from_size.channels, " channels"));
  }
  if (to.empty()) return;
  const std::int64_t row = to_size.width * to_size.channels;
  for (std::int64_t y = 0; y < to_size.height; ++y) {
    const T* begin = from.data() + ((top + y) * from_size.width + left) * from_size.channels;
    std::copy_n(begin, row, to.data() + y * row);
  }
}

template <class T>
void center_crop(std::span<const T> from, const ImageSize& from_size, std::span<T> to,
                 const ImageSize& to_size) {
  require(from, from_size, "center_crop, from");
  require(to, to_size, "center_crop, to");
  crop(from, from_size, to, to_size, (from_size.height - to_size.height) / 2,
       (from_size.width - to_size.width) / 2);
}

template <class T>
void affine(std::span<T> image, const ImageSize& size, const AffineOptions& options) {
  require(image, size, "affine");
  check::require("affine", "angle", options.angle, check::finite());
  check::require("affine", "zoom_y", options.zoom_y, check::finite());
  check::require("affine", "zoom_x", options.zoom_x, check::finite());
  check::require("affine", "shift_y", options.shift_y, check::finite());
  check::require("affine", "shift_x", options.shift_x, check::finite());
  check::require("affine", "value", options.value, check::finite());
  if (image.empty()) return;
  thread_local std::vector<T> before;
  before.assign(image.begin(), image.end());
  const double cosine = std::cos(options.angle);
  const double sine = std::sin(options.angle);
  const double center_y = 0.5 * static_cast<double>(size.height - 1);
  const double center_x = 0.5 * static_cast<double>(size.width - 1);
  const auto at = [&](std::int64_t y, std::int64_t x, std::int64_t c) {
    const std::int64_t from_y = folded(y, size.height, options.fill);
    const std::int64_t from_x = folded(x, size.width, options.fill);
    if (from_y < 0 || from_x < 0) return options.value;
    return static_cast<double>(
        before[static_cast<std::size_t>((from_y * size.width + from_x) * size.channels + c)]);
  };
  T* out = image.data();
  for (std::int64_t y = 0; y < size.height; ++y) {
    for (std::int64_t x = 0; x < size.width; ++x) {
      // Computes the place in the old image that this pixel comes from.
      const double dy = static_cast<double>(y) - options.shift_y - center_y;
      const double dx = static_cast<double>(x) - options.shift_x - center_x;
      const double seen_y = bounded(options.zoom_y * (cosine * dy + sine * dx) + center_y);
      const double seen_x = bounded(options.zoom_x * (cosine * dx - sine * dy) + center_x);
      const double from_y = folded(seen_y, size.height, options.fill);
      const double from_x = folded(seen_x, size.width, options.fill);
      const double floor_y = std::floor(from_y);
      const double floor_x = std::floor(from_x);
      const auto y0 = static_cast<std::int64_t>(floor_y);
      const auto x0 = static_cast<std::int64_t>(floor_x);
      const double wy = from_y - floor_y;
      const double wx = from_x - floor_x;
      for (std::int64_t c = 0; c < size.channels; ++c) {
        const double upper = at(y0, x0, c) * (1.0 - wx) + at(y0, x0 + 1, c) * wx;
        const double lower = at(y0 + 1, x0, c) * (1.0 - wx) + at(y0 + 1, x0 + 1, c) * wx;
        *out++ = to_element<T>(upper * (1.0 - wy) + lower * wy);
      }
    }
  }
}

template <class T>
void flip_horizontal(std::span<T> image, const ImageSize& size) {
  require(image, size, "flip");
  if (image.empty()) return;
  for (std::int64_t y = 0; y < size.height; ++y) {
    T* row = image.data() + y * size.width * size.channels;
    switch (size.channels) {
      case 1:
        reverse_pixels<1>(row, size.width);
        break;
      case 3:
        reverse_pixels<3>(row, size.width);
        break;
      default:
        for (std::int64_t x = 0; x < size.width / 2; ++x) {
          std::swap_ranges(row + x * size.channels, row + (x + 1) * size.channels,
                           row + (size.width - 1 - x) * size.channels);
        }
    }
  }
}

template <class T>
void flip_vertical(std::span<T> image, const ImageSize& size) {
  require(image, size, "flip");
  if (image.empty()) return;
  const std::int64_t row = size.width * size.channels;
  for (std::int64_t y = 0; y < size.height / 2; ++y) {
    T* upper = image.data() + y * row;
    std::swap_ranges(upper, upper + row, image.data() + (size.height - 1 - y) * row);
  }
}

template <class T>
void brighten(std::span<T> image, double delta, const ValueRange& range) {
  check::require("brighten", "delta", delta, check::finite());
  require_range("brighten", range);
  for (T& value : image) {
    value = to_element<T>(std::clamp(static_cast<double>(value) + delta, range.low, range.high));
  }
}

template <class T>
void contrast(std::span<T> image, const ImageSize& size, double factor, const ValueRange& range) {
  require(image, size, "contrast");
  check::require("contrast", "factor", factor, check::finite());
  require_range("contrast", range);
  if (image.empty()) return;
  const std::int64_t pixels = size.height * size.width;
  for (std::int64_t c = 0; c < size.channels; ++c) {
    double sum = 0.0;
    for (std::int64_t i = 0; i < pixels; ++i) {
      sum += static_cast<double>(image[static_cast<std::size_t>(i * size.channels + c)]);
    }
    const double mean = sum / static_cast<double>(std::max<std::int64_t>(pixels, 1));
    for (std::int64_t i = 0; i < pixels; ++i) {
      T& value = image[static_cast<std::size_t>(i * size.channels + c)];
      value = to_element<T>(
          std::clamp((static_cast<double>(value) - mean) * factor + mean, range.low, range.high));
    }
  }
}

void normalize(std::span<float> image, const ImageSize& size, std::span<const float> mean,
               std::span<const float> stddev) {
  require(image, size, "normalize");
  const auto channels = static_cast<std::size_t>(size.channels);
  if (mean.size() != channels || stddev.size() != channels) {
    throw ShapeError(format("normalize: expected ", channels, " means and deviations, received ",
                            mean.size(), " and ", stddev.size()));
  }
  for (std::size_t c = 0; c < channels; ++c) {
    check::require("normalize", "mean", mean[c], check::finite());
    check::require("normalize", "stddev", stddev[c], check::above(0.0));
  }
  for (std::size_t i = 0; i < image.size(); ++i) {
    image[i] = (image[i] - mean[i % channels]) / stddev[i % channels];
  }
}

template <class T>
void cutout(std::span<T> image, const ImageSize& size, std::int64_t y, std::int64_t x,
            std::int64_t side, double value) {
  require(image, size, "cutout");
  check::require("cutout", "side", side, check::at_least(0));
  check::require("cutout", "value", value, check::finite());
  if (image.empty()) return;
  // Returns the part that begins half a side before the middle, cut to [0, extent] without
  // overflow.
  const auto part = [side](std::int64_t middle, std::int64_t extent) {
    constexpr std::int64_t kBeyond = std::int64_t{1} << 61;
    const std::int64_t length = std::min(side, kBeyond);
    const std::int64_t begin = std::clamp(middle, -kBeyond, kBeyond) - length / 2;
    return std::pair(std::clamp<std::int64_t>(begin, 0, extent),
                     std::clamp<std::int64_t>(begin + length, 0, extent));
  };
  const auto [top, bottom] = part(y, size.height);
  const auto [left, right] = part(x, size.width);
  if (left >= right) return;
  for (std::int64_t row = top; row < bottom; ++row) {
    T* begin = image.data() + (row * size.width + left) * size.channels;
    std::fill_n(begin, (right - left) * size.channels, to_element<T>(value));
  }
}

namespace {

// A number with its logarithm, which is finite even if the number is so small that it is 0.
struct Gamma {
  double value;
  double log;
};

// Draws from Gamma(alpha, 1) by Marsaglia and Tsang, "A Simple Method for Generating Gamma
// Variables", 2000.
Gamma gamma(double alpha, Random& random) {
  if (alpha < 1.0) {
    const double u = std::max(1e-12, static_cast<double>(random.uniform()));
    const Gamma larger = gamma(alpha + 1.0, random);
    return {larger.value * std::pow(u, 1.0 / alpha), larger.log + std::log(u) / alpha};
  }
  const double d = alpha - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    const double x = random.normal();
    const double v = std::pow(1.0 + c * x, 3);
    const double u = std::max(1e-12, static_cast<double>(random.uniform()));
    if (v > 0.0 && std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) {
      return {d * v, std::log(d) + std::log(v)};
    }
  }
}

// Draws from Beta(alpha, alpha).
float share_of(double alpha, Random& random) {
  const Gamma a = gamma(alpha, random);
  const Gamma b = gamma(alpha, random);
  const double sum = a.value + b.value;
  if (sum > 0.0 && std::isfinite(sum)) return static_cast<float>(a.value / sum);
  // If both are so small that not even their logarithms are finite, the result is 0 or 1 by chance.
  if (std::isinf(a.log) && std::isinf(b.log)) return static_cast<float>(random.word() & 1U);
  return static_cast<float>(1.0 / (1.0 + std::exp(b.log - a.log)));
}

void mix(std::span<float> rows, std::int64_t count, std::span<const float> shares) {
  const std::size_t size = rows.size() / static_cast<std::size_t>(count);
  thread_local std::vector<float> first;
  first.assign(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(size));
  for (std::size_t row = 0; row < static_cast<std::size_t>(count); ++row) {
    const bool last = row + 1 == static_cast<std::size_t>(count);
    const float* partner = last ? first.data() : rows.data() + (row + 1) * size;
    for (std::size_t i = 0; i < size; ++i) {
      float& value = rows[row * size + i];
      value = shares[row] * value + (1.0f - shares[row]) * partner[i];
    }
  }
}

}  // namespace

void mixup(std::span<float> images, std::span<float> targets, std::int64_t rows, double alpha,
           Random& random) {
  if (rows < 1 || images.size() % static_cast<std::size_t>(rows) != 0 ||
      targets.size() % static_cast<std::size_t>(rows) != 0) {
    throw ShapeError(format("mixup: expected ", rows, " rows of images and targets, received ",
                            images.size(), " and ", targets.size(), " elements"));
  }
  check::require("mixup", "alpha", alpha, check::above(0.0));
  if (images.empty() && targets.empty()) return;
  std::vector<float> shares(static_cast<std::size_t>(rows));
  for (float& share : shares) share = share_of(alpha, random);
  mix(images, rows, shares);
  mix(targets, rows, shares);
}

template void crop(std::span<const float>, const ImageSize&, std::span<float>, const ImageSize&,
                   std::int64_t, std::int64_t);
template void center_crop(std::span<const float>, const ImageSize&, std::span<float>,
                          const ImageSize&);
template void affine(std::span<float>, const ImageSize&, const AffineOptions&);
template void flip_horizontal(std::span<float>, const ImageSize&);
template void flip_vertical(std::span<float>, const ImageSize&);
template void brighten(std::span<float>, double, const ValueRange&);
template void contrast(std::span<float>, const ImageSize&, double, const ValueRange&);
template void cutout(std::span<float>, const ImageSize&, std::int64_t, std::int64_t, std::int64_t,
                     double);

template void crop(std::span<const std::uint8_t>, const ImageSize&, std::span<std::uint8_t>,
                   const ImageSize&, std::int64_t, std::int64_t);
template void center_crop(std::span<const std::uint8_t>, const ImageSize&, std::span<std::uint8_t>,
                          const ImageSize&);
template void affine(std::span<std::uint8_t>, const ImageSize&, const AffineOptions&);
template void flip_horizontal(std::span<std::uint8_t>, const ImageSize&);
template void flip_vertical(std::span<std::uint8_t>, const ImageSize&);
template void brighten(std::span<std::uint8_t>, double, const ValueRange&);
template void contrast(std::span<std::uint8_t>, const ImageSize&, double, const ValueRange&);
template void cutout(std::span<std::uint8_t>, const ImageSize&, std::int64_t, std::int64_t,
                     std::int64_t, double);

}  // namespace stoker
