// Images in memory: PNG and JPEG files, sizes, and random changes of them for training.
//
// An image is (height, width, channels), rows first, as in Keras; elements are float or
// std::uint8_t. Functions change it in place, or write into memory of the given size. None keeps
// memory beyond the call, except for a few buffers of each thread. Several threads may call them at a
// time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

#include "stoker/dataset.h"
#include "stoker/random.h"
#include "stoker/read_limits.h"
#include "stoker/tensor.h"

namespace stoker {

struct ImageSize {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 3;

  // Returns the number of elements. Throws ShapeError for extents below 0, and for more elements
  // than memory could hold.
  std::size_t elements() const;
  friend bool operator==(const ImageSize&, const ImageSize&) = default;
};

// ---- Files ----
// Reads a PNG or JPEG, recognised by its content, as uint8 (height, width, channels). `channels` is
// 1 for gray, 3 for RGB, or 4 for RGB and alpha (PNG only), whatever the file has. A file that
// libjpeg only warns about (stray bytes, odd versions) is read, as in TensorFlow and Pillow; one
// that ends within its pixels is an error. Throws IoError, naming the file, if it is missing,
// damaged, larger than the limits, of a kind that is not supported (such as CMYK), or neither PNG
// nor JPEG.
Tensor read_image(const std::string& path, int channels = 3, const ImageLimits& limits = {});
// Reads an image from a file's bytes; `name` is for messages.
Tensor decode_image(std::span<const std::byte> bytes, int channels = 3,
                    const std::string& name = "image", const ImageLimits& limits = {});
// Decodes an image, and resizes it by bilinear interpolation straight into memory of another size.
void read_image_into(const std::string& path, std::span<std::uint8_t> to, const ImageSize& size,
                     const ImageLimits& limits = {});
void write_png(const std::string& path, std::span<const std::uint8_t> pixels,
               const ImageSize& size);

// ---- Sizes ----
enum class Interpolation : std::uint8_t { bilinear, nearest };
// Resizes as Keras's Resizing: pixel centres lie at half pixels, and a smaller image is not
// smoothed. uint8 rounds to nearest. Throws ShapeError if the channels differ or the spans do not
// fit the sizes.
void resize(std::span<const float> from, const ImageSize& from_size, std::span<float> to,
            const ImageSize& to_size, Interpolation interpolation = Interpolation::bilinear);
void resize(std::span<const std::uint8_t> from, const ImageSize& from_size,
            std::span<std::uint8_t> to, const ImageSize& to_size,
            Interpolation interpolation = Interpolation::bilinear);
// Copies the part of to_size whose upper left corner is at (top, left).
template <class T>
void crop(std::span<const T> from, const ImageSize& from_size, std::span<T> to,
          const ImageSize& to_size, std::int64_t top, std::int64_t left);
// Crops as Keras's CenterCrop, for images at least as large as the part that is cut out.
template <class T>
void center_crop(std::span<const T> from, const ImageSize& from_size, std::span<T> to,
                 const ImageSize& to_size);

// ---- Changes ----
enum class Fill : std::uint8_t {
  constant,  // k k | a b c | k k
  nearest,   // a a | a b c | c c
  reflect,   // b a | a b c | c b
  wrap,      // b c | a b c | a b
};
struct AffineOptions {
  double angle = 0.0;   // radians, counterclockwise
  double zoom_y = 1.0;  // above 1 the content gets smaller
  double zoom_x = 1.0;
  double shift_y = 0.0;  // pixels, downwards and to the right
  double shift_x = 0.0;
  Fill fill = Fill::reflect;
  double value = 0.0;  // the value of Fill::constant
};
// Rotates and zooms about the centre, then shifts, with bilinear interpolation, as Keras's
// RandomRotation, RandomZoom and RandomTranslation do. Throws ValueError for a NaN or an infinity
// among the options, as do the functions below, and ShapeError if the span does not fit the size.
template <class T>
void affine(std::span<T> image, const ImageSize& size, const AffineOptions& options);
template <class T>
void flip_horizontal(std::span<T> image, const ImageSize& size);
template <class T>
void flip_vertical(std::span<T> image, const ImageSize& size);
// The range of an image's values, which is {0, 1} for images that were rescaled.
struct ValueRange {
  double low = 0.0;  // not above high; infinite ends keep values as they are
  double high = 255.0;
};
// Adds `delta`; values are clipped to the range.
template <class T>
void brighten(std::span<T> image, double delta, const ValueRange& range = {});
// Computes (x - mean) * factor + mean, with the mean of each channel, clipped to the range.
template <class T>
void contrast(std::span<T> image, const ImageSize& size, double factor,
              const ValueRange& range = {});
// Computes (x - mean) / stddev for each channel. Throws ValueError for a stddev that is not above
// 0.
void normalize(std::span<float> image, const ImageSize& size, std::span<const float> mean,
               std::span<const float> stddev);
// Sets a square of `side` pixels about (y, x), as far as it lies in the image, to `value` (DeVries
// and Taylor, "Improved Regularization of CNNs with Cutout", 2017).
template <class T>
void cutout(std::span<T> image, const ImageSize& size, std::int64_t y, std::int64_t x,
            std::int64_t side, double value = 0.0);
// Replaces each row of a batch by l row + (1 - l) partner, and so for the targets, which are rows
// of class values. Each l is drawn from Beta(alpha, alpha); the partner is the next row (Zhang et
// al., "mixup: Beyond Empirical Risk Minimization", 2018). Throws ValueError for an alpha that is
// not finite and above 0.
void mixup(std::span<float> images, std::span<float> targets, std::int64_t rows, double alpha,
           Random& random);

// ---- For Dataset::map ----
// Each of these changes the first component, by random numbers of the element's own; the other
// components stay. Names and meanings of factors are those of Keras's layers: one number f means
// [-f, f].
namespace augment {

struct Flip {
  ImageSize size;
  bool horizontal = true;
  bool vertical = false;
  template <class T, class... Rest>
  void operator()(MapContext& context, std::span<T> image, std::span<Rest>...) const {
    const bool by_width = horizontal && context.random.uniform() < 0.5f;
    const bool by_height = vertical && context.random.uniform() < 0.5f;
    if (by_width) flip_horizontal(image, size);
    if (by_height) flip_vertical(image, size);
  }
};
// Shifts by shares of height and width.
struct Shift {
  ImageSize size;
  float height_factor = 0.1f;
  float width_factor = 0.1f;
  Fill fill = Fill::reflect;
  template <class T, class... Rest>
  void operator()(MapContext& context, std::span<T> image, std::span<Rest>...) const {
    const float y = context.random.uniform(-height_factor, height_factor);
    const float x = context.random.uniform(-width_factor, width_factor);
    affine(image, size,
           {.shift_y = y * static_cast<double>(size.height),
            .shift_x = x * static_cast<double>(size.width),
            .fill = fill});
  }
};
// Rotates by shares of a whole turn.
struct Rotate {
  ImageSize size;
  float factor = 0.05f;
  Fill fill = Fill::reflect;
  template <class T, class... Rest>
  void operator()(MapContext& context, std::span<T> image, std::span<Rest>...) const {
    constexpr double kTurn = 6.283185307179586;
    affine(image, size, {.angle = kTurn * context.random.uniform(-factor, factor), .fill = fill});
  }
};
// Zooms: with 0.2 the content gets up to 20% smaller or larger, its sides in proportion.
struct Zoom {
  ImageSize size;
  float factor = 0.2f;
  Fill fill = Fill::reflect;
  template <class T, class... Rest>
  void operator()(MapContext& context, std::span<T> image, std::span<Rest>...) const {
    const double zoom = 1.0 + context.random.uniform(-factor, factor);
    affine(image, size, {.zoom_y = zoom, .zoom_x = zoom, .fill = fill});
  }
};
// Changes the brightness by shares of the range.
struct Brightness {
  float factor = 0.2f;
  ValueRange value_range{};
  template <class T, class... Rest>
  void operator()(MapContext& context, std::span<T> image, std::span<Rest>...) const {
    const double width = value_range.high - value_range.low;
    brighten(image, width * context.random.uniform(-factor, factor), value_range);
  }
};
struct Contrast {
  ImageSize size;
  float factor = 0.2f;
  ValueRange value_range{};
  template <class T, class... Rest>
  void operator()(MapContext& context, std::span<T> image, std::span<Rest>...) const {
    contrast(image, size, 1.0 + context.random.uniform(-factor, factor), value_range);
  }
};
struct Cutout {
  ImageSize size;
  std::int64_t side = 8;
  template <class T, class... Rest>
  void operator()(MapContext& context, std::span<T> image, std::span<Rest>...) const {
    const std::int64_t y = context.random.integer(0, size.height);
    const std::int64_t x = context.random.integer(0, size.width);
    cutout(image, size, y, x, side);
  }
};
// Returns a random place at which a part of `to` pixels may begin in `from`. Throws ShapeError if
// the part is larger.
std::int64_t random_offset(std::int64_t from, std::int64_t to, Random& random);

// Crops images to a smaller size: dataset.map<T, Label>({Shape{28, 28, 3}, Shape{}},
// augment::Crop{from, to}). The other components are copied.
struct Crop {
  ImageSize from;
  ImageSize to;
  template <class T>
  void operator()(MapContext& context, std::span<const T> image, std::span<T> out) const {
    const std::int64_t top = random_offset(from.height, to.height, context.random);
    const std::int64_t left = random_offset(from.width, to.width, context.random);
    crop(image, from, out, to, top, left);
  }
  template <class T, class Label>
  void operator()(MapContext& context, std::span<const T> image, std::span<const Label> label,
                  std::span<T> out, std::span<Label> label_out) const {
    const std::int64_t top = random_offset(from.height, to.height, context.random);
    const std::int64_t left = random_offset(from.width, to.width, context.random);
    crop(image, from, out, to, top, left);
    for (std::size_t i = 0; i < label.size(); ++i) label_out[i] = label[i];
  }
};

}  // namespace augment
}  // namespace stoker
