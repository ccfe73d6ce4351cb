// Layers for images against Keras's own results for fixed factors (keras_images.h, which
// make_keras_images.py wrote), and against their definitions where Keras has no such number.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "layers/images.h"
#include "layers/keras_images.h"
#include "layers/preprocessing/perspective.h"

namespace stoker {
namespace {

using test::Images;
using test::run;
using test::Values;

// The batches of make_keras_images.py.
Images keras_batch(std::int64_t batch, std::int64_t height, std::int64_t width,
                   std::int64_t channels, double highest = 255.0) {
  Images images{{batch, height, width, channels}, {}};
  for (std::int64_t i = 0; i < images.shape.elements(); ++i) {
    const auto value = static_cast<double>((i * 37 + (i / 5) * 11 + (i * i) % 23) % 256);
    images.values.push_back(value * highest / 255.0);
  }
  return images;
}

// Keras's results have six digits here, and both sides round in float32.
void expect_values(const Values& values, const Values& expected, const std::string& what,
                   double highest = 255.0) {
  ASSERT_EQ(values.size(), expected.size()) << what;
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(values[i], expected[i], 4e-6 * highest) << what << ", element " << i;
  }
}

const Values& keras(const std::string& name) { return test::keras_images().at(name); }

TEST(ImageValues, hue_turns_to_one_side_or_the_other) {
  Images images{{8, 3, 4, 3}, {}};
  for (int n = 0; n < 8; ++n) {
    const Values one = keras_batch(1, 3, 4, 3).values;
    images.values.insert(images.values.end(), one.begin(), one.end());
  }
  const Images turned = run(RandomHue({0.4, 0.4}), images);
  int forwards = 0;
  for (std::int64_t n = 0; n < 8; ++n) {
    const Values image = turned.image(n);
    const bool is_forwards = image[0] > 1.0;  // of 55.6 and 0
    forwards += is_forwards ? 1 : 0;
    expect_values(image, keras(is_forwards ? "RandomHue forwards" : "RandomHue backwards"), "hue");
  }
  EXPECT_GT(forwards, 0);
  EXPECT_LT(forwards, 8);
}

TEST(ImageValues, saturation_is_multiplied) {
  const RandomColorOptions unit{.value_range = {0.0, 1.0}};
  expect_values(run(RandomSaturation({0.7, 0.7}, unit), keras_batch(1, 3, 4, 3, 1.0)).values,
                keras("RandomSaturation"), "more", 1.0);
  expect_values(run(RandomSaturation({0.3, 0.3}), keras_batch(1, 3, 4, 3)).values,
                keras("RandomSaturation less"), "less");
}

TEST(ImageValues, gray_stays_gray_in_other_hues_and_saturations) {
  const Images gray{{1, 1, 2, 3}, {0.0, 0.0, 0.0, 77.0, 77.0, 77.0}};
  expect_values(run(RandomHue({0.4, 0.4}), gray).values, gray.values, "hue");
  expect_values(run(RandomSaturation({0.9, 0.9}), gray).values, gray.values, "saturation");
}

TEST(ImageValues, sharpness_goes_away_from_the_mean_or_to_it) {
  const RandomColorOptions unit{.value_range = {0.0, 1.0}};
  expect_values(run(RandomSharpness({0.9, 0.9}), keras_batch(1, 3, 4, 3)).values,
                keras("RandomSharpness"), "more");
  expect_values(run(RandomSharpness({0.1, 0.1}, unit), keras_batch(1, 3, 4, 3, 1.0)).values,
                keras("RandomSharpness less"), "less", 1.0);
  expect_values(run(RandomSharpness({0.5, 0.5}), keras_batch(2, 1, 1, 1)).values,
                keras_batch(2, 1, 1, 1).values, "as it was");
}

TEST(ImageValues, auto_contrast_stretches_each_channel) {
  Images images = keras_batch(1, 3, 4, 3, 0.5);
  for (double& value : images.values) value += 0.1;
  for (const bool training : {false, true}) {
    expect_values(run(AutoContrast({.value_range = {0.0, 1.0}}), images, training).values,
                  keras("AutoContrast"), "contrast", 1.0);
  }
  const Images flat{{1, 1, 2, 2}, {7.0, 3.0, 7.0, 4.0}};
  expect_values(run(AutoContrast(), flat).values, {7.0, 0.0, 7.0, 255.0}, "a flat channel");
}

TEST(ImageValues, blur_has_a_width_and_a_height) {
  const Layer blur =
      RandomGaussianBlur({.factor = {1.0, 1.0}, .kernel_size = {3, 5}, .sigma = {0.8, 0.8}});
  expect_values(run(blur, keras_batch(1, 3, 4, 3)).values, keras("RandomGaussianBlur"), "blur");
  const Layer none = RandomGaussianBlur({.factor = {0.0, 0.0}, .value_range = {10.0, 200.0}});
  Values expected = keras_batch(2, 3, 4, 1).values;
  for (double& value : expected) value = std::clamp(value, 10.0, 200.0);
  expect_values(run(none, keras_batch(2, 3, 4, 1)).values, expected, "none");
}

TEST(ImageValues, color_jitter_is_its_parts_in_order) {
  const Layer jitter = RandomColorJitter({.value_range = {0.0, 1.0},
                                          .brightness_factor = Factor(0.25, 0.25),
                                          .contrast_factor = Factor(0.0, 0.0),
                                          .saturation_factor = Factor(0.7, 0.7)});
  expect_values(run(jitter, keras_batch(1, 3, 4, 3, 1.0)).values, keras("RandomColorJitter"),
                "jitter", 1.0);
  expect_values(run(RandomColorJitter(), keras_batch(1, 3, 4, 3)).values,
                keras_batch(1, 3, 4, 3).values, "without factors");
}

TEST(ImageValues, equalization_follows_the_histogram) {
  expect_values(run(Equalization(), keras_batch(2, 6, 5, 2)).values, keras("Equalization"),
                "bytes");
  expect_values(
      run(Equalization({.value_range = {0.0, 1.0}, .bins = 8}), keras_batch(2, 6, 5, 2, 1.0))
          .values,
      keras("Equalization of 8 bins"), "8 bins", 1.0);
  const Images flat{{1, 1, 2, 2}, {7.5, 3.0, 7.5, 3.0}};
  expect_values(run(Equalization(), flat).values, flat.values, "flat");
}

TEST(ImageValues, clahe_mixes_what_tiles_make_of_a_pixel) {
  const auto clahe = [](ContrastLimitedOptions options) {
    return ContrastLimitedAdaptiveHistogramEqualization(std::move(options));
  };
  for (const bool training : {false, true}) {
    expect_values(run(clahe({.tile_grid_size = {3, 2}}), keras_batch(2, 9, 7, 2), training).values,
                  keras("CLAHE"), "tiles");
  }
  expect_values(run(clahe({.value_range = {0.0, 1.0}, .clip_limit = 0.0, .tile_grid_size = 2}),
                    keras_batch(2, 9, 7, 2, 1.0))
                    .values,
                keras("CLAHE without limit"), "no limit", 1.0);
  expect_values(run(clahe({}), keras_batch(1, 5, 6, 1)).values, keras("CLAHE of 8 x 8"), "8 x 8");
}

// The numbers of the transform for given corners, and the image that they make.
TEST(ImageValues, perspective_is_the_solution_of_keras_equations) {
  test::OpCase c;
  const Images images = keras_batch(1, 5, 7, 1);
  c.inputs = {{.shape = images.shape, .given = images.values},
              {.shape = {1, 4}, .given = {1.25, 0.75, 1.125, 1.375}}};
  c.build = [&](graph::Graph&, std::span<const graph::Value> in) {
    const std::vector<graph::Value> factors = ops::split(in[1], 1, 4);
    graph::Expression expression;
    const auto factor = [&](int i) { return graph::Expr{&expression, expression.input(i)}; };
    const layers::MovedCorners corners{factor(0), factor(1), factor(2), factor(3)};
    for (const graph::Expr& number : layers::perspective(corners, 5.0f, 7.0f)) {
      expression.add_output(number.id);
    }
    const graph::Value transform = ops::concatenate(ops::pointwise(factors, expression), 1);
    ops::WarpAttributes attributes;
    attributes.height = 5;
    attributes.width = 7;
    attributes.fill_value = -1.0f;
    return std::vector{transform, ops::warp(in[0], transform, attributes)};
  };
  const test::Tensors made = test::run_case(c).outputs;
  expect_values(made[0], keras("perspective"), "transform", 1.0);
  for (std::size_t i = 0; i < made[1].size(); ++i) {
    EXPECT_NEAR(made[1][i], keras("RandomPerspective")[i], 2e-3) << i;  // places round too
  }
}

}  // namespace
}  // namespace stoker
