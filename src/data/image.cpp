// Changes of images.
#include "stoker/image.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "core/format.h"
#include "data/image_size.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using data::require;

template <class T>
T to_element(double value) {
  if constexpr (std::is_same_v<T, std::uint8_t>) {
    return static_cast<T>(std::clamp(std::floor(value + 0.5), 0.0, 255.0));
  } else {
    return static_cast<T>(value);
  }
}

// The place that a coordinate outside of [0, size) stands for; -1: none.
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

}  // namespace

template <class T>
void crop(std::span<const T> from, const ImageSize& from_size, std::span<T> to,
          const ImageSize& to_size, std::int64_t top, std::int64_t left) {
  require(from.size() == from_size.elements(), "crop, from", from_size, from.size());
  require(to.size() == to_size.elements() && to_size.channels == from_size.channels, "crop, to",
          to_size, to.size());
  if (top < 0 || left < 0 || top + to_size.height > from_size.height ||
      left + to_size.width > from_size.width) {
    throw ShapeError(format("crop: expected a part of the image, received ", to_size.height, " x ",
                            to_size.width, " at (", top, ", ", left, ") of ", from_size.height,
                            " x ", from_size.width));
  }
  const std::int64_t row = to_size.width * to_size.channels;
  for (std::int64_t y = 0; y < to_size.height; ++y) {
    const T* begin = from.data() + ((top + y) * from_size.width + left) * from_size.channels;
    std::copy_n(begin, row, to.data() + y * row);
  }
}

template <class T>
void center_crop(std::span<const T> from, const ImageSize& from_size, std::span<T> to,
                 const ImageSize& to_size) {
  crop(from, from_size, to, to_size, (from_size.height - to_size.height) / 2,
       (from_size.width - to_size.width) / 2);
}

template <class T>
void affine(std::span<T> image, const ImageSize& size, const AffineOptions& options) {
  require(image.size() == size.elements(), "affine", size, image.size());
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
      // From where this pixel comes.
      const double dy = static_cast<double>(y) - options.shift_y - center_y;
      const double dx = static_cast<double>(x) - options.shift_x - center_x;
      const double from_y =
          folded(options.zoom_y * (cosine * dy + sine * dx) + center_y, size.height, options.fill);
      const double from_x =
          folded(options.zoom_x * (cosine * dx - sine * dy) + center_x, size.width, options.fill);
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
  require(image.size() == size.elements(), "flip", size, image.size());
  for (std::int64_t y = 0; y < size.height; ++y) {
    T* row = image.data() + y * size.width * size.channels;
    for (std::int64_t x = 0; x < size.width / 2; ++x) {
      std::swap_ranges(row + x * size.channels, row + (x + 1) * size.channels,
                       row + (size.width - 1 - x) * size.channels);
    }
  }
}

template <class T>
void flip_vertical(std::span<T> image, const ImageSize& size) {
  require(image.size() == size.elements(), "flip", size, image.size());
  const std::int64_t row = size.width * size.channels;
  for (std::int64_t y = 0; y < size.height / 2; ++y) {
    T* upper = image.data() + y * row;
    std::swap_ranges(upper, upper + row, image.data() + (size.height - 1 - y) * row);
  }
}

template <class T>
void brighten(std::span<T> image, double delta, const ValueRange& range) {
  for (T& value : image) {
    value = to_element<T>(std::clamp(static_cast<double>(value) + delta, range.low, range.high));
  }
}

template <class T>
void contrast(std::span<T> image, const ImageSize& size, double factor, const ValueRange& range) {
  require(image.size() == size.elements(), "contrast", size, image.size());
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
  require(image.size() == size.elements(), "normalize", size, image.size());
  const auto channels = static_cast<std::size_t>(size.channels);
  if (mean.size() != channels || stddev.size() != channels) {
    throw ShapeError(format("normalize: expected ", channels, " means and deviations, received ",
                            mean.size(), " and ", stddev.size()));
  }
  for (std::size_t i = 0; i < image.size(); ++i) {
    image[i] = (image[i] - mean[i % channels]) / stddev[i % channels];
  }
}

template <class T>
void cutout(std::span<T> image, const ImageSize& size, std::int64_t y, std::int64_t x,
            std::int64_t side, double value) {
  require(image.size() == size.elements(), "cutout", size, image.size());
  const std::int64_t top = std::max<std::int64_t>(0, y - side / 2);
  const std::int64_t left = std::max<std::int64_t>(0, x - side / 2);
  const std::int64_t bottom = std::min(size.height, y - side / 2 + side);
  const std::int64_t right = std::min(size.width, x - side / 2 + side);
  if (left >= right) return;
  for (std::int64_t row = top; row < bottom; ++row) {
    T* begin = image.data() + (row * size.width + left) * size.channels;
    std::fill_n(begin, (right - left) * size.channels, to_element<T>(value));
  }
}

namespace {

// Gamma(alpha, 1) by Marsaglia and Tsang, "A Simple Method for Generating Gamma Variables", 2000.
double gamma(double alpha, Random& random) {
  if (alpha < 1.0) {
    const double u = std::max(1e-12, static_cast<double>(random.uniform()));
    return gamma(alpha + 1.0, random) * std::pow(u, 1.0 / alpha);
  }
  const double d = alpha - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    const double x = random.normal();
    const double v = std::pow(1.0 + c * x, 3);
    const double u = std::max(1e-12, static_cast<double>(random.uniform()));
    if (v > 0.0 && std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
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
  if (!(alpha > 0.0)) throw ValueError(format("mixup: expected alpha above 0, received ", alpha));
  std::vector<float> shares(static_cast<std::size_t>(rows));
  for (float& share : shares) {
    const double a = gamma(alpha, random);
    const double b = gamma(alpha, random);
    share = static_cast<float>(a + b > 0.0 ? a / (a + b) : 0.5);
  }
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
