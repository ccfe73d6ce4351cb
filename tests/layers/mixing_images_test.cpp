// Layers that erase, move and mix images, and those that draw from a list of layers: what they may
// make of an image, and that draws follow their laws.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "layers/images.h"
#include "layers/preprocessing/batch_draws.h"
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

// One number in all of an image: 1 in the first, 2 in the second, and so on.
Images numbered(std::int64_t batch, std::int64_t height, std::int64_t width) {
  Images images{{batch, height, width, 1}, {}};
  for (std::int64_t n = 0; n < batch; ++n) {
    images.values.insert(images.values.end(), static_cast<std::size_t>(height * width),
                         static_cast<double>(n + 1));
  }
  return images;
}

Images one_hot(std::int64_t batch) {
  Images labels{{batch, batch}, Values(static_cast<std::size_t>(batch * batch))};
  for (std::int64_t n = 0; n < batch; ++n) {
    labels.values[static_cast<std::size_t>(n * (batch + 1))] = 1.0;
  }
  return labels;
}

double sum_of(const Values& values) {
  double sum = 0.0;
  for (const double value : values) sum += value;
  return sum;
}

TEST(MixingImages, mix_up_mixes_images_and_labels_by_the_same_shares) {
  const std::int64_t batch = 64;
  const std::vector<Images> mixed =
      run(MixUp({.alpha = 0.7}), {numbered(batch, 2, 3), one_hot(batch)});
  Values others(static_cast<std::size_t>(batch));  // by whom each image was mixed
  for (std::int64_t n = 0; n < batch; ++n) {
    const Values image = mixed[0].image(n), label = mixed[1].image(n);
    double value = 0.0;
    for (std::size_t k = 0; k < label.size(); ++k) value += label[k] * static_cast<double>(k + 1);
    for (const double pixel : image) EXPECT_NEAR(pixel, value, 1e-4);
    EXPECT_NEAR(sum_of(label), 1.0, 1e-6);
    for (std::size_t k = 0; k < label.size(); ++k) {
      if (static_cast<std::int64_t>(k) != n) others[k] += label[k] > 0.0 ? 1.0 : 0.0;
    }
  }
  // The order has each image once.
  EXPECT_EQ(*std::max_element(others.begin(), others.end()), 1.0);
}

TEST(MixingImages, mix_up_takes_shares_from_a_beta_distribution) {
  const std::int64_t batch = 2000;
  for (const double alpha : {0.2, 1.0, 3.0}) {
    test::OpCase c;
    c.build = [&](graph::Graph& graph, std::span<const graph::Value>) {
      test::Context context(graph, true);
      layers::ImageDraws draws(context, 5);
      graph::Expression expression;
      const graph::Expr of{&expression, expression.constant(static_cast<float>(alpha))};
      expression.add_output(layers::beta(draws, expression, 0, of).id);
      return ops::pointwise(graph, Shape{batch}, {}, expression);
    };
    const Values shares = test::run_case(c).outputs[0];
    double mean = 0.0, square = 0.0;
    for (const double share : shares) {
      EXPECT_GE(share, 0.0);
      EXPECT_LE(share, 1.0);
      mean += share / static_cast<double>(batch);
      square += (share - 0.5) * (share - 0.5) / static_cast<double>(batch);
    }
    const double variance = 1.0 / (4.0 * (2.0 * alpha + 1.0));
    EXPECT_NEAR(mean, 0.5, 5.0 * std::sqrt(variance / static_cast<double>(batch))) << alpha;
    EXPECT_NEAR(square, variance, 0.1 * variance) << alpha;
  }
}

TEST(MixingImages, cut_mix_pastes_a_rectangle_and_mixes_labels_by_its_area) {
  const std::int64_t batch = 32, height = 40, width = 30;
  const std::vector<Images> mixed = run(CutMix(), {numbered(batch, height, width), one_hot(batch)});
  int pasted = 0;
  for (std::int64_t n = 0; n < batch; ++n) {
    const Values image = mixed[0].image(n), label = mixed[1].image(n);
    const auto own = static_cast<double>(n + 1);
    std::int64_t top = height, bottom = -1, left = width, right = -1, count = 0;
    std::set<double> values;
    for (std::int64_t i = 0; i < height * width; ++i) {
      const double value = image[static_cast<std::size_t>(i)];
      if (value == own) continue;
      values.insert(value);
      ++count;
      top = std::min(top, i / width);
      bottom = std::max(bottom, i / width);
      left = std::min(left, i % width);
      right = std::max(right, i % width);
    }
    if (count == 0) continue;
    ++pasted;
    EXPECT_EQ(values.size(), 1U);
    EXPECT_EQ(count, (bottom - top + 1) * (right - left + 1));
    // A side is a whole number of pixels in the image, but not in the share.
    const double area = static_cast<double>(count) / static_cast<double>(height * width);
    EXPECT_NEAR(label[static_cast<std::size_t>(n)], 1.0 - area, 0.07);
    EXPECT_NEAR(sum_of(label), 1.0, 1e-6);
  }
  EXPECT_GT(pasted, 5);
}

TEST(MixingImages, take_images_alone_and_leave_all_as_it_is_when_not_training) {
  for (const Layer& layer : {MixUp({.seed = 3}), CutMix({.seed = 3})}) {
    const Images images = numbered(5, 2, 2);
    EXPECT_EQ(run(layer, {images, one_hot(5)}).at(0).values, run(layer, images).values);
    const std::vector<Images> unchanged = run(layer, {images, one_hot(5)}, false);
    EXPECT_EQ(unchanged[0].values, images.values);
    EXPECT_EQ(unchanged[1].values, one_hot(5).values);
    EXPECT_EQ(run(layer, numbered(1, 3, 2)).shape, (Shape{1, 3, 2, 1}));
  }
}

TEST(MixingImages, erasing_fills_one_rectangle) {
  const std::int64_t batch = 100, height = 20, width = 30;
  const Images erased = run(RandomErasing({.factor = {0.5, 0.5}, .fill_value = {0.0}}),
                            numbered(batch, height, width));
  int count = 0;
  for (std::int64_t n = 0; n < batch; ++n) {
    const Values image = erased.image(n);
    const auto zeros = std::count(image.begin(), image.end(), 0.0);
    count += zeros > 0 ? 1 : 0;
    // Sides are sqrt(0.02) to sqrt(0.33) of the image's.
    if (zeros > 0) {
      EXPECT_GE(zeros, 2 * 4);
      EXPECT_LE(zeros, 12 * 18);
    }
  }
  EXPECT_NEAR(count, 50, 25);
  const Images all = run(
      RandomErasing({.factor = {1.0, 1.0}, .scale = {1.0, 1.0}, .fill_value = {3.0, 4.0, 500.0}}),
      same(2, 2, 2, 3));
  for (std::size_t i = 0; i < all.values.size(); i += 3) {
    EXPECT_EQ(Values(all.values.begin() + static_cast<std::ptrdiff_t>(i),
                     all.values.begin() + static_cast<std::ptrdiff_t>(i) + 3),
              (Values{3.0, 4.0, 255.0}));
  }
  const Images noise =
      run(RandomErasing({.factor = {1.0, 1.0}, .scale = {1.0, 1.0}}), numbered(1, 50, 50));
  const auto black = std::count(noise.values.begin(), noise.values.end(), 0.0);
  EXPECT_NEAR(static_cast<double>(black), 1250.0, 125.0);  // Half of the numbers are negative.
}

TEST(MixingImages, perspective_keeps_a_corner_and_moves_the_others) {
  Images images{{20, 9, 9, 1}, {}};
  for (std::int64_t i = 0; i < 20 * 81; ++i) {
    images.values.push_back(static_cast<double>(i % 9));  // the column
  }
  const Images moved = run(RandomPerspective({.factor = {1.0, 1.0}, .fill_value = -100.0}), images);
  std::set<double> seen;
  for (std::int64_t n = 0; n < 20; ++n) {
    const Values image = moved.image(n);
    EXPECT_NEAR(image[0], 0.0, 1e-5);
    // Columns keep their order along a row.
    for (std::size_t i = 1; i < 9 && image[i] > 0.0; ++i) EXPECT_GT(image[i], image[i - 1]);
    seen.insert(image[2]);
  }
  EXPECT_GT(seen.size(), 10U);
  EXPECT_EQ(run(RandomPerspective({.factor = {0.0, 0.0}}), images).values, images.values);
  EXPECT_EQ(run(RandomPerspective({.factor = {1.0, 1.0}, .scale = 0.0}), images).values,
            images.values);
  EXPECT_EQ(run(RandomPerspective({.factor = {1.0, 1.0}}), numbered(3, 1, 1)).values,
            numbered(3, 1, 1).values);
}

TEST(MixingImages, elastic_transforms_move_pixels_by_smooth_noise) {
  Images images{{2, 40, 60, 2}, {}};
  for (std::int64_t i = 0; i < 2 * 40 * 60; ++i) {
    images.values.push_back(static_cast<double>((i / 60) % 40));  // the row
    images.values.push_back(static_cast<double>(i % 60));         // the column
  }
  for (const std::string fill : {"constant", "nearest", "wrap", "reflect"}) {
    const Layer layer = RandomElasticTransform(
        {.factor = {1.0, 1.0}, .scale = {0.7, 0.7}, .fill_mode = fill, .seed = 3});
    const Images moved = run(layer, images);
    double square = 0.0, most = 0.0, together = 0.0;
    int count = 0;
    for (std::int64_t row = 15; row < 25; ++row) {
      for (std::int64_t column = 20; column < 40; ++column) {
        const auto at = static_cast<std::size_t>(2 * (row * 60 + column));
        const double down = moved.values[at] - static_cast<double>(row);
        const double across = moved.values[at + 1] - static_cast<double>(column);
        square += down * down;
        together += down * across;
        most = std::max(most, std::abs(moved.values[at] - moved.values[at + 2]));
        ++count;
      }
    }
    // Noise of deviation s = 1.4, smoothed by a Gaussian of deviation s, has the deviation
    // s / (2 sqrt(pi) s) = 0.28; it counts 4.2 times.
    EXPECT_NEAR(std::sqrt(square / count), 4.2 * 0.28, 0.8) << fill;
    EXPECT_LT(most, 4.0) << fill;
    EXPECT_LT(std::abs(together), 0.8 * square) << fill;
  }
  const Layer none = RandomElasticTransform({.factor = {0.0, 0.0}});
  EXPECT_EQ(run(none, images).values, images.values);
}

TEST(MixingImages, elastic_transforms_take_pixels_outside_by_the_fill_mode) {
  const Images images = same(3, 12, 5, 1);
  for (const std::string interpolation : {"nearest", "bilinear"}) {
    for (const std::string fill : {"constant", "nearest", "wrap", "reflect"}) {
      const Images moved = run(RandomElasticTransform({.factor = {1.0, 1.0},
                                                       .interpolation = interpolation,
                                                       .fill_mode = fill,
                                                       .fill_value = 100.0}),
                               images);
      for (const double value : moved.values) {
        EXPECT_GE(value, 1.0 - 1e-4);
        EXPECT_LE(value, fill == "constant" ? 100.0 : 60.0 + 1e-3);
        if (interpolation == "nearest") {
          EXPECT_EQ(value, std::floor(value));
        }
      }
    }
  }
}

TEST(MixingImages, rand_augment_applies_some_of_its_layers_to_the_whole_batch) {
  const Images images = same(2, 6, 5, 3);
  int changed = 0;
  std::set<Values> seen;
  for (std::uint32_t step = 0; step < 12; ++step) {
    const Images augmented = run(RandAugment({.num_ops = 1}), images, true, step);
    EXPECT_EQ(augmented.shape, images.shape);
    changed += augmented.values == images.values ? 0 : 1;
    seen.insert(augmented.values);
    for (const double value : augmented.values) {
      EXPECT_GE(value, 0.0);
      EXPECT_LE(value, 255.0);
    }
  }
  EXPECT_GT(changed, 8);
  EXPECT_GT(seen.size(), 8U);
}

TEST(MixingImages, aug_mix_stays_within_the_range) {
  const Images images = same(2, 4, 5, 3);
  const AugMixOptions options{.num_chains = 2, .chain_depth = 2};
  std::set<Values> seen;
  for (std::uint32_t step = 0; step < 4; ++step) {
    const Images mixed = run(AugMix(options), images, true, step);
    seen.insert(mixed.values);
    for (const double value : mixed.values) {
      EXPECT_GE(value, 0.0);
      EXPECT_LE(value, 255.0);
    }
  }
  EXPECT_EQ(seen.size(), 4U);
}

std::vector<Layer> layers_of(std::optional<std::uint64_t> seed) {
  return {RandomHue(0.5, {.seed = seed}),
          RandomSaturation({0.2, 0.4}, {.seed = seed}),
          RandomSharpness(0.5, {.seed = seed}),
          RandomColorJitter({.brightness_factor = 0.2, .hue_factor = 0.3, .seed = seed}),
          RandomGaussianBlur({.factor = {1.0, 1.0}, .seed = seed}),
          RandomPerspective({.factor = {1.0, 1.0}, .seed = seed}),
          RandomElasticTransform({.factor = {1.0, 1.0}, .seed = seed}),
          RandomErasing({.factor = {1.0, 1.0}, .seed = seed}),
          MixUp({.alpha = 1.0, .seed = seed}),
          RandAugment({.seed = seed}),
          AugMix({.num_chains = 1, .chain_depth = 2, .seed = seed})};
}

TEST(MixingImages, draw_anew_in_each_step_and_the_same_for_a_seed) {
  Images images{{4, 24, 25, 3}, {}};
  for (std::int64_t i = 0; i < images.shape.elements(); ++i) {
    images.values.push_back(static_cast<double>(i * 7919 % 251));
  }
  for (std::size_t i = 0; i < layers_of(3).size(); ++i) {
    const Images one = run(layers_of(3)[i], images);
    const std::string name = layers_of(3)[i].base()->class_name();
    EXPECT_EQ(one.shape, images.shape) << name;
    EXPECT_EQ(one.values, run(layers_of(3)[i], images).values) << name;
    EXPECT_NE(one.values, run(layers_of(3)[i], images, true, 1).values) << name;
    EXPECT_NE(one.values, run(layers_of(4)[i], images).values) << name;
    EXPECT_EQ(run(layers_of(3)[i], images, false).values, images.values) << name;
  }
}

TEST(MixingImages, work_on_one_channel_and_odd_sizes) {
  for (const Layer& layer :
       {RandomSharpness(0.5), RandomGaussianBlur({.kernel_size = 7}), AutoContrast(),
        Equalization(), ContrastLimitedAdaptiveHistogramEqualization(), RandomPerspective(),
        RandomElasticTransform(), RandomErasing(), MixUp(), CutMix(), RandAugment(),
        AugMix({.num_chains = 1, .chain_depth = 1})}) {
    for (const auto& [height, width] : {std::pair{1, 1}, std::pair{7, 1}, std::pair{5, 9}}) {
      const Images images = same(3, height, width, 1);
      const Images changed = run(layer, images);
      EXPECT_EQ(changed.shape, images.shape) << layer.base()->class_name();
      for (const double value : changed.values) {
        EXPECT_TRUE(std::isfinite(value)) << layer.base()->class_name();
      }
    }
  }
}

// As in Keras's files: whole numbers in ranges, single numbers, null.
TEST(MixingImages, read_the_forms_that_keras_writes) {
  const auto same_as = [](const Layer& layer, const std::string& class_name, Config config) {
    EXPECT_EQ(layer_from_config(class_name, config).config(), layer.config());
  };
  same_as(RandomErasing({.scale = 0.25}), "RandomErasing",
          Config::map({{"factor", Config::list({0, 1.0})},
                       {"scale", 0.25},
                       {"fill_value", nullptr},
                       {"value_range", Config::list({0, 255})},
                       {"seed", nullptr}}));
  same_as(RandomErasing({.fill_value = {3.0}}), "RandomErasing", Config::map({{"fill_value", 3}}));
  same_as(RandomColorJitter({.brightness_factor = 0.25, .contrast_factor = Factor(0.0, 0.5)}),
          "RandomColorJitter",
          Config::map({{"brightness_factor", 0.25},
                       {"contrast_factor", 0.5},
                       {"saturation_factor", nullptr},
                       {"hue_factor", nullptr}}));
  same_as(RandomGaussianBlur(), "RandomGaussianBlur",
          Config::map({{"kernel_size", Config::list({3, 3})},
                       {"sigma", Config::list({0, 1.0})},
                       {"data_format", "channels_last"}}));
  same_as(RandAugment({.factor = {0.0, 0.5}}), "RandAugment", Config::map({{"factor", 0.5}}));
  EXPECT_TRUE(
      contains(message_of<ValueError>([] {
                 layer_from_config("MixUp", Config::map({{"data_format", "channels_first"}}));
               }),
               "channels_first"));
}

TEST(MixingImages, refuse_what_makes_no_sense) {
  const auto refused = [](const std::function<void()>& f, const std::string& what) {
    EXPECT_TRUE(contains(message_of<ValueError>(f), what)) << message_of<ValueError>(f);
  };
  refused([] { RandomHue(1.5); }, "expected a factor in [0, 1]");
  refused([] { RandomSaturation({-0.5, 0.2}); }, "expected a factor in [0, 1]");
  refused([] { AutoContrast({.value_range = {1.0, 0.0}}); }, "received 1 and 0");
  refused([] { RandomColorJitter({.hue_factor = 2.0}); }, "expected a hue_factor in [0, 1]");
  refused([] { RandomGaussianBlur({.kernel_size = {3, 4}}); }, "expected an odd kernel_size");
  refused([] { RandomPerspective({.scale = 2.0}); }, "expected a scale in [0, 1]");
  refused([] { RandomElasticTransform({.fill_mode = "reflct"}); }, "did you mean \"reflect\"");
  refused([] { RandomErasing({.scale = {0.5, 1.5}}); }, "expected a scale in [0, 1]");
  refused([] { MixUp({.alpha = 0.0}); }, "an alpha");
  refused([] { RandAugment({.num_ops = 0}); }, "expected num_ops of 1 or more");
  refused([] { Equalization({.bins = 1}); }, "expected bins in [2, 65536]");
  EXPECT_TRUE(contains(message_of<ShapeError>([] {
                         RandomHue(0.5)(Input({4, 4, 1}));
                       }),
                       "three channels"));
  EXPECT_TRUE(contains(message_of<ShapeError>([] {
                         RandomErasing({.fill_value = {1.0, 2.0}})(Input({4, 4, 3}));
                       }),
                       "one for each channel"));
  EXPECT_TRUE(contains(message_of<DTypeError>([] {
                         MixUp()({Input({4, 4, 3}), Input({1}, {.dtype = "int32"})});
                       }),
                       "Numbers of classes can't be mixed"));
}

}  // namespace
}  // namespace stoker
