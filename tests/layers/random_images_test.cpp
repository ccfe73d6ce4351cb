// Layers that change images at random: what they may make of an image, how often, and that each
// image has its own draw. What the transforms themselves give is compared by
// tests/ops/warp_test.cpp.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "layers/images.h"
#include "stoker/error.h"
#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

using test::contains;
using test::Images;
using test::message_of;
using test::run;
using test::same;
using test::Values;

Values flipped(const Images& images, bool horizontally, bool vertically) {
  const Values image = images.image(0);
  Values result;
  for (std::int64_t y = 0; y < images.shape[1]; ++y) {
    for (std::int64_t x = 0; x < images.shape[2]; ++x) {
      for (std::int64_t c = 0; c < images.shape[3]; ++c) {
        const std::int64_t row = vertically ? images.shape[1] - 1 - y : y;
        const std::int64_t column = horizontally ? images.shape[2] - 1 - x : x;
        result.push_back(image[static_cast<std::size_t>(
            (row * images.shape[2] + column) * images.shape[3] + c)]);
      }
    }
  }
  return result;
}

// Expects that all images are one of two, and that both come in about half of the cases.
void expect_half(const Images& images, const Values& one, const Values& other) {
  std::int64_t ones = 0;
  for (std::int64_t n = 0; n < images.shape[0]; ++n) {
    const Values image = images.image(n);
    EXPECT_TRUE(image == one || image == other);
    ones += image == one ? 1 : 0;
  }
  const auto count = static_cast<double>(images.shape[0]);
  EXPECT_NEAR(static_cast<double>(ones), count / 2, 2.5 * std::sqrt(count));  // five deviations
}

TEST(RandomImages, FlipsHalfOfTheImages) {
  const Images images = same(400, 3, 4, 2);
  const Values as_it_was = images.image(0);
  expect_half(run(RandomFlip("horizontal"), images), as_it_was, flipped(images, true, false));
  expect_half(run(RandomFlip("vertical"), images), as_it_was, flipped(images, false, true));
  expect_half(run(RandomFlip(), images), as_it_was, flipped(images, true, true));
}

TEST(RandomImages, DoNothingWhenNotTraining) {
  const Images images = same(2, 4, 5, 3);
  for (const Layer& layer : {RandomFlip(), RandomTranslation(0.5, 0.5), RandomRotation(0.5),
                             RandomZoom(0.5), RandomShear(0.5, 0.5), RandomBrightness(0.5),
                             RandomContrast(0.5), RandomGrayscale(1.0), RandomInvert({1.0, 1.0})}) {
    EXPECT_EQ(run(layer, images, false).values, images.values);
  }
}

TEST(RandomImages, MoveByWholePixelsWhereTheFactorSaysSo) {
  const Images images = same(3, 4, 5, 1);
  // Down by a quarter of 4 rows; the mirror image of the border follows.
  const Images down = run(RandomTranslation({0.25, 0.25}, 0.0), images);
  EXPECT_EQ(down.image(2),
            (Values{1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}));
  const Images left = run(
      RandomTranslation(0.0, {-0.4, -0.4}, {.fill_mode = "constant", .fill_value = -1.0}), images);
  const Values expected{3, 4, 5, -1, -1, 8, 9, 10, -1, -1, 13, 14, 15, -1, -1, 18, 19, 20, -1, -1};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(left.image(0)[i], expected[i], 1e-4) << i;
  }
}

TEST(RandomImages, TurnAroundTheMiddle) {
  const Images images = same(2, 3, 3, 1);
  const Values half = flipped(images, true, true);
  const Images turned = run(RandomRotation({0.5, 0.5}), images);
  for (std::size_t i = 0; i < half.size(); ++i) EXPECT_NEAR(turned.image(1)[i], half[i], 1e-4);
  // A quarter: what is on the right comes to the top, as in Keras.
  const Images quarter = run(RandomRotation({0.25, 0.25}), images);
  const Values expected{3, 6, 9, 2, 5, 8, 1, 4, 7};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(quarter.image(0)[i], expected[i], 1e-4) << i;
  }
}

TEST(RandomImages, ZoomAroundTheMiddle) {
  const Images images = same(2, 5, 5, 1);
  const Images closer = run(RandomZoom({-0.5, -0.5}), images);
  EXPECT_EQ(closer.image(0)[12], 13.0);  // the middle stays
  EXPECT_NEAR(closer.image(0)[14], 14.0, 1e-4);
  EXPECT_NEAR(closer.image(0)[22], 18.0, 1e-4);
  const Images wide = run(RandomZoom(0.0, {-0.5, -0.5}), images);
  EXPECT_NEAR(wide.image(0)[14], 14.0, 1e-4);
  EXPECT_NEAR(wide.image(0)[22], 23.0, 1e-4);
}

TEST(RandomImages, ShearToBothSides) {
  const Images images = same(400, 3, 3, 1);
  const Images sheared = run(RandomShear({0.0, 0.0}, {1.0, 1.0}, {.fill_mode = "nearest"}), images);
  expect_half(sheared, {1, 5, 9, 4, 8, 9, 7, 8, 9}, {1, 2, 3, 4, 2, 3, 7, 5, 3});
}

TEST(RandomImages, CropAtEveryPlaceOfWholePixels) {
  const Images images = same(2, 5, 6, 1);
  const Images cropped = run(RandomCrop(2, 3), images);
  EXPECT_EQ(cropped.shape, (Shape{2, 2, 3, 1}));
  const Values image = cropped.image(0);
  EXPECT_EQ(image, cropped.image(1));  // one place for the batch
  const double first = image[0];
  EXPECT_EQ(image, (Values{first, first + 1, first + 2, first + 6, first + 7, first + 8}));
  const Images middle = run(RandomCrop(3, 2), images, false);
  EXPECT_EQ(middle.image(0), (Values{9, 10, 15, 16, 21, 22}));
  EXPECT_EQ(run(RandomCrop(5, 8), images).shape, (Shape{2, 5, 8, 1}));
}

TEST(RandomImages, BrightnessMovesAnImageAsAWhole) {
  const Images images = same(50, 2, 2, 1);
  const Images brighter = run(RandomBrightness(0.5, {.value_range = {0.0, 10.0}}), images);
  double least = 1e9, most = -1e9;
  for (std::int64_t n = 0; n < 50; ++n) {
    const Values image = brighter.image(n);
    const double added = image[1] - 2.0;
    EXPECT_NEAR(image[0], std::max(0.0, 1.0 + added), 1e-5);
    least = std::min(least, image[3] - 4.0);
    most = std::max(most, image[3] - 4.0);
  }
  EXPECT_LT(least, -2.0);
  EXPECT_GT(most, 2.0);
  EXPECT_GE(least, -4.0);
  EXPECT_LE(most, 5.0);
}

TEST(RandomImages, ContrastStretchesAroundTheMeanOfAChannel) {
  const Images images{{1, 1, 2, 2}, {1.0, 10.0, 3.0, 30.0}};
  const Images changed = run(RandomContrast({-0.0, 0.0}), images);
  EXPECT_EQ(changed.values, images.values);
  const Images stretched = run(RandomContrast({0.5, 0.5}, {.value_range = {0.0, 25.0}}), images);
  const double factor = (stretched.values[2] - 2.0) / 1.0;
  EXPECT_GE(factor, 0.5);
  EXPECT_LE(factor, 1.5);
  EXPECT_NEAR(stretched.values[0], 2.0 - factor, 1e-5);
  EXPECT_NEAR(stretched.values[1], 20.0 - 10.0 * factor, 1e-4);
  EXPECT_NEAR(stretched.values[3], std::min(25.0, 20.0 + 10.0 * factor), 1e-4);
}

TEST(RandomImages, GrayscaleAndInvertTakeTheirShare) {
  const Images images = same(400, 1, 1, 3);
  const double gray = 0.2989 + 2 * 0.587 + 3 * 0.114;
  int grays = 0;
  const Images some = run(RandomGrayscale(0.5), images);
  for (std::int64_t n = 0; n < 400; ++n) {
    const Values image = some.image(n);
    const bool is_gray = image[0] == image[1] && image[1] == image[2];
    grays += is_gray ? 1 : 0;
    EXPECT_NEAR(image[0], is_gray ? gray : 1.0, 1e-5);
  }
  EXPECT_NEAR(grays, 200, 50);
  const RandomColorOptions range{.value_range = {0.0, 4.0}};
  EXPECT_EQ(run(RandomInvert({1.0, 1.0}, range), images).image(7), (Values{3, 2, 1}));
  EXPECT_EQ(run(RandomInvert({0.0, 0.0}, range), images).image(7), (Values{1, 2, 3}));
}

TEST(RandomImages, DegenerationPosterizationAndSolarizationFollowTheirFactors) {
  const Images images = same(2, 1, 1, 3);
  const double gray = 0.2989 + 2 * 0.587 + 3 * 0.114;
  const RandomColorOptions range{.value_range = {0.0, 255.0}};
  const Images half = run(RandomColorDegeneration({0.5, 0.5}, range), images);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(half.image(1)[i], (static_cast<double>(i + 1) + gray) / 2, 1e-5);
  }
  const Images bright{{1, 1, 2, 2}, {255.0, 37.5, 130.0, 7.0}};
  EXPECT_EQ(run(RandomPosterization({3.0, 3.0}, range), bright).values,
            (Values{224.0, 32.0, 128.0, 0.0}));
  EXPECT_EQ(run(RandomPosterization({8.0, 8.0}, range), bright).values,
            (Values{255.0, 37.0, 130.0, 7.0}));
  EXPECT_EQ(run(Solarization({.threshold_factor = {0.0, 0.0}}), bright).values,
            (Values{0.0, 217.5, 125.0, 248.0}));
  const Images some =
      run(Solarization({.addition_factor = {0.0, 0.0}, .threshold_factor = 1.0}), bright);
  EXPECT_EQ(some.values[0], 0.0);  // No threshold is above 255.
  EXPECT_TRUE(some.values[3] == 7.0 || some.values[3] == 248.0);
}

TEST(RandomImages, GiveEachImageADrawOfItsOwnAndTheSameForASeed) {
  const Images images = same(8, 6, 6, 1);
  const Images turned = run(RandomRotation(0.5, {.seed = 3}), images);
  EXPECT_NE(turned.image(0), turned.image(1));
  EXPECT_EQ(turned.values, run(RandomRotation(0.5, {.seed = 3}), images).values);
  EXPECT_NE(turned.values, run(RandomRotation(0.5, {.seed = 4}), images).values);
}

TEST(RandomImages, RefuseWhatMakesNoSense) {
  const auto refused = [](const std::function<void()>& f, const std::string& what) {
    EXPECT_TRUE(contains(message_of<ValueError>(f), what));
  };
  refused([] { RandomFlip("diagonal"); }, "received \"diagonal\"");
  refused([] { RandomTranslation(1.5, 0.0); }, "expected a height_factor in [-1, 1]");
  refused([] { RandomZoom(-1.0); }, "expected a height_factor in (-1, 1]");
  refused([] { RandomRotation(0.1, {.fill_mode = "reflct"}); }, "did you mean \"reflect\"");
  refused([] { RandomRotation(0.1, {.interpolation = "cubic"}); }, "received \"cubic\"");
  refused([] { RandomBrightness(0.1, {.value_range = {1.0}}); }, "received 1 numbers");
  refused([] { RandomGrayscale(2.0); }, "expected a factor in [0, 1]");
  EXPECT_TRUE(contains(message_of<ShapeError>([] {
                         RandomFlip("vertical", {.name = "f"})(Input({4, 4}));
                       }),
                       "rank 4"));
}

}  // namespace
}  // namespace stoker
