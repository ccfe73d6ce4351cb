// Initializers: their names, formulas and statistics.
#include "initializers/initialize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "stoker/error.h"
#include "support/message.h"

namespace stoker {
namespace {

using initializers::fans_of;
using initializers::initialize;
using test::message_of;

std::vector<float> values_of(const Initializer& initializer, Shape shape, std::uint64_t seed = 1,
                             std::uint32_t stream = 2) {
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  initialize(values, shape, initializer, seed, stream);
  return values;
}

struct Statistics {
  double mean = 0.0;
  double stddev = 0.0;
  double largest = 0.0;  // absolute
};

Statistics statistics_of(const std::vector<float>& values) {
  Statistics result;
  const auto count = static_cast<double>(values.size());
  for (const float value : values) {
    result.mean += value / count;
    result.largest = std::max(result.largest, std::fabs(static_cast<double>(value)));
  }
  for (const float value : values) result.stddev += std::pow(value - result.mean, 2) / count;
  result.stddev = std::sqrt(result.stddev);
  return result;
}

TEST(Fans, count_the_receptive_field) {
  const auto text = [](Shape shape) {
    const auto fans = fans_of(shape);
    return std::to_string(static_cast<int>(fans.in)) + " " +
           std::to_string(static_cast<int>(fans.out));
  };
  EXPECT_EQ(text({}), "1 1");
  EXPECT_EQ(text({7}), "7 7");
  EXPECT_EQ(text({5, 3}), "5 3");
  EXPECT_EQ(text({3, 2, 4, 8}), "24 48");
  EXPECT_EQ(text({64, 4, 16}), "256 1024");  // attention's query kernel
}

// Both fans differ, so that a mode taken for another would show.
const Shape kKernel{3, 3, 40, 160};
constexpr double kFanIn = 360;
constexpr double kFanOut = 1440;

struct ScalingCase {
  const char* name;
  double variance;
  bool is_uniform;
};

TEST(VarianceScaling, reaches_the_variance_that_its_name_stands_for) {
  const std::vector<ScalingCase> cases{
      {"glorot_uniform", 2 / (kFanIn + kFanOut), true},
      {"glorot_normal", 2 / (kFanIn + kFanOut), false},
      {"he_uniform", 2 / kFanIn, true},
      {"he_normal", 2 / kFanIn, false},
      {"lecun_uniform", 1 / kFanIn, true},
      {"lecun_normal", 1 / kFanIn, false},
      {"variance_scaling", 1 / kFanIn, false},
  };
  for (const ScalingCase& test : cases) {
    const auto got = statistics_of(values_of(test.name, kKernel));
    const double stddev = std::sqrt(test.variance);
    EXPECT_NEAR(got.mean, 0.0, 0.02 * stddev) << test.name;
    EXPECT_NEAR(got.stddev, stddev, 0.01 * stddev) << test.name;
    // Cut off at two standard deviations of the normal before it was cut, or at the limit.
    const double limit =
        test.is_uniform ? std::sqrt(3.0) * stddev : 2 * stddev / 0.87962566103423978;
    EXPECT_LE(got.largest, limit * 1.00001) << test.name;
    EXPECT_GE(got.largest, limit * 0.99) << test.name;
  }
}

TEST(VarianceScaling, takes_scale_mode_and_distribution) {
  const auto got = statistics_of(
      values_of(VarianceScaling({.scale = 3.0,
                                 .mode = Initializer::Mode::fan_out,
                                 .distribution = Initializer::Distribution::untruncated_normal}),
                kKernel));
  const double stddev = std::sqrt(3.0 / kFanOut);
  EXPECT_NEAR(got.stddev, stddev, 0.01 * stddev);
  EXPECT_GE(got.largest, 3.5 * stddev);
}

TEST(Initializers, draw_from_the_distributions_that_they_name) {
  const Shape shape{100, 300};
  const auto uniform = values_of(RandomUniform({.minval = 1.0, .maxval = 3.0}), shape);
  EXPECT_NEAR(statistics_of(uniform).mean, 2.0, 0.02);
  EXPECT_GE(*std::min_element(uniform.begin(), uniform.end()), 1.0f);
  EXPECT_LE(*std::max_element(uniform.begin(), uniform.end()), 3.0f);

  const auto normal = statistics_of(values_of(RandomNormal({.mean = -1.0, .stddev = 2.0}), shape));
  EXPECT_NEAR(normal.mean, -1.0, 0.06);
  EXPECT_NEAR(normal.stddev, 2.0, 0.04);

  const auto truncated = values_of(TruncatedNormal({.mean = 5.0, .stddev = 2.0}), shape);
  EXPECT_NEAR(statistics_of(truncated).mean, 5.0, 0.06);
  EXPECT_NEAR(statistics_of(truncated).stddev, 2.0 * 0.87962566103423978, 0.03);
  EXPECT_GE(*std::min_element(truncated.begin(), truncated.end()), 1.0f);
  EXPECT_LE(*std::max_element(truncated.begin(), truncated.end()), 9.0f);

  EXPECT_NEAR(statistics_of(values_of("random_normal", shape)).stddev, 0.05, 0.001);
  EXPECT_LE(statistics_of(values_of("random_uniform", shape)).largest, 0.05f);
}

TEST(Initializers, fill_with_constants) {
  EXPECT_EQ(values_of("zeros", {2}), (std::vector<float>{0, 0}));
  EXPECT_EQ(values_of("ones", {2}), (std::vector<float>{1, 1}));
  EXPECT_EQ(values_of(Constant(2.5), {2}), (std::vector<float>{2.5, 2.5}));
  EXPECT_EQ(values_of("identity", {2, 3}), (std::vector<float>{1, 0, 0, 0, 1, 0}));
  EXPECT_EQ(values_of(IdentityInitializer(3.0), {2, 2}), (std::vector<float>{3, 0, 0, 3}));
}

// Of all columns when the weight, seen as a matrix (.., out), is tall, of all rows when it is wide.
void expect_orthogonal(Shape shape, double gain) {
  const auto values = values_of(Orthogonal({.gain = gain}), shape);
  const auto columns = static_cast<std::size_t>(shape.back());
  const std::size_t rows = values.size() / columns;
  const bool is_tall = rows >= columns;
  const std::size_t vectors = is_tall ? columns : rows;
  const std::size_t length = is_tall ? rows : columns;
  const auto at = [&](std::size_t vector, std::size_t i) {
    return static_cast<double>(is_tall ? values[i * columns + vector]
                                       : values[vector * columns + i]);
  };
  for (std::size_t a = 0; a < vectors; ++a) {
    for (std::size_t b = 0; b <= a; ++b) {
      double product = 0.0;
      for (std::size_t i = 0; i < length; ++i) product += at(a, i) * at(b, i);
      EXPECT_NEAR(product, a == b ? gain * gain : 0.0, 1e-5) << to_string(shape);
    }
  }
}

TEST(Orthogonal, gives_orthogonal_rows_or_columns) {
  expect_orthogonal({6, 6}, 1.0);
  expect_orthogonal({9, 4}, 1.0);
  expect_orthogonal({4, 9}, 2.0);
  expect_orthogonal({3, 3, 2, 5}, 0.5);
  expect_orthogonal({2, 2, 2, 30}, 1.0);
  expect_orthogonal({3, 1}, 1.0);
}

TEST(Initializers, are_keyed_by_seed_and_stream) {
  const Shape shape{4, 4};
  const auto first = values_of("glorot_uniform", shape, 1, 2);
  EXPECT_EQ(first, values_of("glorot_uniform", shape, 1, 2));
  EXPECT_NE(first, values_of("glorot_uniform", shape, 2, 2));
  EXPECT_NE(first, values_of("glorot_uniform", shape, 1, 3));
  EXPECT_EQ(values_of(GlorotUniform({.seed = 7}), shape, 1, 2),
            values_of(GlorotUniform({.seed = 7}), shape, 2, 2));
}

TEST(Initializers, go_by_keras_names) {
  EXPECT_EQ(Initializer("HeNormal").a, 2.0);
  EXPECT_EQ(Initializer("he_normal").mode, Initializer::Mode::fan_in);
  EXPECT_EQ(Initializer("Orthogonal").a, 1.0);
  EXPECT_EQ(Initializer("Zeros").kind, Initializer::Kind::zeros);
  const std::string message = message_of<ValueError>([] { Initializer("glorot"); });
  EXPECT_EQ(message.rfind("Initializer: there is none named \"glorot\"; known are zeros, ones", 0),
            0u)
      << message;
}

TEST(Initializers, refuse_shapes_that_they_cannot_fill) {
  EXPECT_EQ(message_of<ValueError>([] { values_of("orthogonal", {4}); }),
            "Orthogonal: expected a weight of rank 2 or more, received (4,)");
  EXPECT_EQ(message_of<ValueError>([] {
              values_of("identity", {2, 2, 2});
            }),
            "IdentityInitializer: expected a weight of rank 2, received (2, 2, 2)");
  EXPECT_EQ(message_of<ValueError>([] { VarianceScaling({.scale = 0.0}); }),
            "VarianceScaling: expected a scale above 0, received 0");
}

TEST(Regularizers, go_by_keras_names_and_factors) {
  EXPECT_EQ(Regularizer("l1").l1, 0.01);
  EXPECT_EQ(Regularizer("l1").l2, 0.0);
  EXPECT_EQ(Regularizer("L2").l2, 0.01);
  EXPECT_EQ(Regularizer("l1_l2").l1, 0.01);
  EXPECT_EQ(L1L2(0.1, 0.2).l2, 0.2);
  EXPECT_FALSE(Regularizer());
  EXPECT_EQ(message_of<ValueError>([] { Regularizer("l3"); }),
            "Regularizer: there is none named \"l3\"; known are l1, l2, l1_l2, "
            "orthogonal_regularizer");
  EXPECT_EQ(message_of<ValueError>([] { L2(-1.0); }),
            "Regularizer: expected l2 of 0 or more, received -1");
}

}  // namespace
}  // namespace stoker
