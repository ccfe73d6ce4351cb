// Changes of images with arguments that make no sense: errors, or what they say, and no undefined
// behaviour.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "stoker/error.h"
#include "stoker/image.h"

namespace stoker {
namespace {

using Pixels = std::vector<std::uint8_t>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
constexpr ImageSize kSize{3, 4, 1};

Pixels counted() {
  Pixels pixels(kSize.elements());
  std::iota(pixels.begin(), pixels.end(), std::uint8_t{1});
  return pixels;
}
std::vector<float> floats() {
  const Pixels pixels = counted();
  return {pixels.begin(), pixels.end()};
}

// f(image) for bytes and for floats.
template <class F>
void with_both(F f) {
  Pixels bytes = counted();
  f(std::span<std::uint8_t>(bytes));
  std::vector<float> values = floats();
  f(std::span<float>(values));
}

TEST(ImageAbsurd, sizes_below_0_or_beyond_memory_are_no_sizes) {
  for (const ImageSize& size :
       {ImageSize{-3, -4, 1}, ImageSize{3, -4, -1}, ImageSize{-1, 0, 3}, ImageSize{kMost, kMost, 3},
        ImageSize{kLeast, 1, 1}, ImageSize{std::int64_t{1} << 32, std::int64_t{1} << 32, 1}}) {
    EXPECT_THROW(size.elements(), ShapeError);
    with_both([&](auto image) {
      using T = typename decltype(image)::element_type;
      EXPECT_THROW(crop<T>(image, kSize, image, size, 0, 0), ShapeError);
      EXPECT_THROW(crop<T>(image, size, image, kSize, 0, 0), ShapeError);
      EXPECT_THROW(center_crop<T>(image, kSize, image, size), ShapeError);
      EXPECT_THROW(resize(std::span<const T>(image), kSize, image, size), ShapeError);
      EXPECT_THROW(resize(std::span<const T>(image), size, image, kSize), ShapeError);
      EXPECT_THROW(affine(image, size, {}), ShapeError);
      EXPECT_THROW(flip_horizontal(image, size), ShapeError);
      EXPECT_THROW(flip_vertical(image, size), ShapeError);
      EXPECT_THROW(contrast(image, size, 1.0), ShapeError);
      EXPECT_THROW(cutout(image, size, 0, 0, 1), ShapeError);
    });
    std::vector<float> values = floats();
    const float one[] = {1.0f};
    EXPECT_THROW(normalize(values, size, one, one), ShapeError);
  }
}

TEST(ImageAbsurd, images_without_pixels_stay_so_whatever_their_other_extents_are) {
  constexpr std::int64_t kLarge = std::int64_t{1} << 60;
  for (const ImageSize& size :
       {ImageSize{0, 0, 0}, ImageSize{kLarge, 1, 0}, ImageSize{1, kLarge, 0},
        ImageSize{0, kLarge, 3}, ImageSize{kLarge, 0, 3}}) {
    std::vector<float> none;
    const std::span<float> image(none);
    const std::vector<float> statistics(static_cast<std::size_t>(size.channels), 1.0f);
    affine(image, size, {.angle = 1.0});
    flip_horizontal(image, size);
    flip_vertical(image, size);
    brighten(image, 1.0);
    contrast(image, size, 2.0);
    normalize(image, size, statistics, statistics);
    cutout(image, size, 0, 0, 5);
    crop<float>(image, size, image, size, 0, 0);
    center_crop<float>(image, size, image, size);
    resize(std::span<const float>(none), size, image, size);
    Pixels pixels(static_cast<std::size_t>(3 * size.channels));
    if (size.channels > 0) {
      const Pixels empty;
      EXPECT_THROW(resize(std::span<const std::uint8_t>(empty), size, std::span(pixels), {3, 1, 3}),
                   ShapeError);
    }
  }
}

TEST(ImageAbsurd, crops_lie_within_the_image) {
  with_both([](auto image) {
    using T = typename decltype(image)::element_type;
    std::vector<T> part(4);
    const ImageSize size{2, 2, 1};
    for (const std::int64_t far : {kMost, kMost - 1, kLeast, std::int64_t{-1}, std::int64_t{2}}) {
      EXPECT_THROW(crop<T>(image, kSize, part, size, far, 0), ShapeError) << far;
    }
    for (const std::int64_t far : {kMost, kMost - 1, kLeast, std::int64_t{-1}, std::int64_t{3}}) {
      EXPECT_THROW(crop<T>(image, kSize, part, size, 0, far), ShapeError) << far;
    }
    crop<T>(image, kSize, part, size, 1, 2);
    EXPECT_EQ(part, (std::vector<T>{7, 8, 11, 12}));
    std::vector<T> large(20);
    EXPECT_THROW(center_crop<T>(image, kSize, large, {5, 4, 1}), ShapeError);
  });
  Random random(1);
  EXPECT_THROW(augment::random_offset(3, 4, random), ShapeError);
  EXPECT_THROW(augment::random_offset(3, kLeast, random), ShapeError);
  EXPECT_THROW(augment::random_offset(kLeast, 1, random), ShapeError);
  EXPECT_EQ(augment::random_offset(3, 3, random), 0);
}

TEST(ImageAbsurd, affine_refuses_what_is_no_number) {
  for (const double bad : {kNan, kInfinity, -kInfinity}) {
    for (const AffineOptions& options :
         {AffineOptions{.angle = bad}, AffineOptions{.zoom_y = bad}, AffineOptions{.zoom_x = bad},
          AffineOptions{.shift_y = bad}, AffineOptions{.shift_x = bad},
          AffineOptions{.value = bad}}) {
      with_both([&](auto image) { EXPECT_THROW(affine(image, kSize, options), ValueError); });
    }
  }
}

TEST(ImageAbsurd, affine_takes_numbers_of_any_size) {
  for (const Fill fill : {Fill::constant, Fill::nearest, Fill::reflect, Fill::wrap}) {
    for (const double far : {1e9, 1e18, 1e19, 1e300, -1e300, 1.7e308}) {
      for (const AffineOptions& options :
           {AffineOptions{.angle = far, .fill = fill}, AffineOptions{.zoom_y = far, .fill = fill},
            AffineOptions{.zoom_x = far, .fill = fill},
            AffineOptions{.zoom_y = far, .zoom_x = -far, .shift_y = far, .fill = fill},
            AffineOptions{.shift_y = far, .fill = fill},
            AffineOptions{.shift_x = far, .fill = fill, .value = far}}) {
        with_both([&](auto image) {
          affine(image, kSize, options);
          for (const auto value : image) EXPECT_FALSE(std::isnan(static_cast<float>(value)));
        });
      }
    }
  }
  // What lies that far away is the border, or the constant.
  Pixels image = counted();
  affine(std::span(image), kSize, {.shift_x = 1e300, .fill = Fill::nearest});
  EXPECT_EQ(image, (Pixels{1, 1, 1, 1, 5, 5, 5, 5, 9, 9, 9, 9}));
  affine(std::span(image), kSize, {.shift_x = -1e300, .fill = Fill::constant, .value = 300});
  EXPECT_EQ(image, Pixels(12, 255));
}

TEST(ImageAbsurd, brightness_and_contrast_refuse_what_is_no_number_and_no_range) {
  for (const double bad : {kNan, kInfinity, -kInfinity}) {
    with_both([&](auto image) {
      EXPECT_THROW(brighten(image, bad), ValueError);
      EXPECT_THROW(contrast(image, kSize, bad), ValueError);
    });
  }
  for (const ValueRange& range :
       {ValueRange{1.0, 0.0}, ValueRange{kNan, 1.0}, ValueRange{0.0, kNan}}) {
    with_both([&](auto image) {
      EXPECT_THROW(brighten(image, 1.0, range), ValueError);
      EXPECT_THROW(contrast(image, kSize, 1.0, range), ValueError);
    });
  }
  const ValueRange any{-kInfinity, kInfinity};
  Pixels image = counted();
  brighten(std::span(image), 1e300, any);
  EXPECT_EQ(image, Pixels(12, 255));
  brighten(std::span(image), -1e300, any);
  EXPECT_EQ(image, Pixels(12, 0));
  std::vector<float> values = floats();
  brighten(std::span(values), 1e300, any);
  EXPECT_EQ(values, std::vector<float>(12, std::numeric_limits<float>::max()));
  values = {1.0f, std::nanf("")};
  brighten(std::span(values), 1.0);
  EXPECT_EQ(values[0], 2.0f);
  EXPECT_TRUE(std::isnan(values[1]));  // a NaN in an image is the image's
  contrast(std::span(values), {1, 2, 1}, 1e300);
}

TEST(ImageAbsurd, normalisation_divides_by_no_0) {
  std::vector<float> values = floats();
  const float mean[] = {1.0f};
  for (const float bad : {0.0f, -1.0f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    const float stddev[] = {bad};
    EXPECT_THROW(normalize(values, kSize, mean, stddev), ValueError) << bad;
  }
  const float no_mean[] = {std::nanf("")};
  EXPECT_THROW(normalize(values, kSize, no_mean, mean), ValueError);
}

TEST(ImageAbsurd, cutouts_lie_where_they_are_said_to) {
  for (const std::int64_t y : {kLeast, std::int64_t{-1}, std::int64_t{1}, kMost}) {
    for (const std::int64_t side : {std::int64_t{0}, std::int64_t{2}, kMost - 1, kMost}) {
      with_both([&](auto image) { cutout(image, kSize, y, y, side, 1e300); });
    }
  }
  Pixels image = counted();
  cutout(std::span(image), kSize, 1, 1, kMost);
  EXPECT_EQ(image, Pixels(12, 0));
  image = counted();
  cutout(std::span(image), kSize, kMost, 1, 5);
  cutout(std::span(image), kSize, 1, kLeast, 5);
  EXPECT_EQ(image, counted());
  with_both([](auto pixels) {
    EXPECT_THROW(cutout(pixels, kSize, 1, 1, -1), ValueError);
    EXPECT_THROW(cutout(pixels, kSize, 1, 1, kLeast), ValueError);
    EXPECT_THROW(cutout(pixels, kSize, 1, 1, 1, kNan), ValueError);
  });
}

TEST(ImageAbsurd, mixup_takes_any_alpha_that_is_finite_and_above_0) {
  std::vector<float> images{0, 1};
  std::vector<float> targets{0, 1};
  Random random(1);
  for (const double bad : {0.0, -1.0, kNan, kInfinity, -kInfinity}) {
    EXPECT_THROW(mixup(images, targets, 2, bad, random), ValueError);
  }
  EXPECT_THROW(mixup(images, targets, 0, 1.0, random), ShapeError);
  EXPECT_THROW(mixup(images, targets, kLeast, 1.0, random), ShapeError);
  EXPECT_THROW(mixup(images, targets, kMost, 1.0, random), ShapeError);
  mixup({}, {}, kMost, 1.0, random);
  // The larger alpha is, the nearer to one half; the smaller, the nearer to one of the two.
  for (const double alpha : {1e6, 1e300, 1.7e308}) {
    for (int i = 0; i < 100; ++i) {
      images = targets = {0, 1};
      mixup(images, targets, 2, alpha, random);
      EXPECT_NEAR(images[0], 0.5f, 0.01f) << alpha;
    }
  }
  for (const double alpha : {1e-4, 1e-100, 1e-308}) {
    int ones = 0;
    for (int i = 0; i < 400; ++i) {
      images = targets = {0, 1};
      mixup(images, targets, 2, alpha, random);
      EXPECT_TRUE(images[0] < 0.01f || images[0] > 0.99f) << alpha << " " << images[0];
      ones += images[0] > 0.5f ? 1 : 0;
    }
    EXPECT_NEAR(ones, 200, 60) << alpha;
  }
}

TEST(ImageAbsurd, factors_that_are_no_numbers_are_errors_of_the_element) {
  const Tensor x = Tensor::uniform({4, 3, 4, 1}, 0, 255, 1);
  const auto images = Dataset<float>::from_tensor_slices({x});
  const float bad = std::numeric_limits<float>::infinity();
  const auto runs = [](const Dataset<float>& dataset) { dataset.for_each([](auto) {}); };
  EXPECT_THROW(runs(images.map(augment::Shift{kSize, bad, bad})), DataError);
  EXPECT_THROW(runs(images.map(augment::Rotate{kSize, bad})), DataError);
  EXPECT_THROW(runs(images.map(augment::Zoom{kSize, bad})), DataError);
  EXPECT_THROW(runs(images.map(augment::Brightness{bad})), DataError);
  EXPECT_THROW(runs(images.map(augment::Contrast{kSize, bad})), DataError);
  EXPECT_THROW(runs(images.map(augment::Cutout{{0, 0, 1}})), DataError);
  EXPECT_THROW(runs(images.map<float>({Shape{5, 4, 1}}, augment::Crop{kSize, {5, 4, 1}})),
               DataError);
}

}  // namespace
}  // namespace stoker
