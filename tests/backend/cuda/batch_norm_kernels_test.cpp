// Our CUDA kernels for batch norm on the emulator: against sums in float64.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "backend/cuda/kernel_launch.h"
#include "backend/cuda/ops/batch_norm.h"

namespace stoker {
namespace {

using namespace backend::cuda;
using test::at;
using test::expect_close;
using test::launch_in_all_orders;
using test::random;
using test::unwritten;
using test::zeros;

struct BatchNorm {
  std::int64_t rows;
  std::int32_t channels;
  float epsilon = 1e-3f;
  std::vector<float> partials = unwritten(
      static_cast<std::int64_t>(batch_norm_partials_bytes(rows, channels) / sizeof(float)));
  std::vector<std::uint32_t> counters =
      std::vector<std::uint32_t>(static_cast<std::size_t>(batch_norm_counters(channels)));
  std::vector<float> mean = unwritten(channels), variance = unwritten(channels);

  void statistics(const std::vector<float>& x) {
    launch_in_all_orders(batch_norm_statistics_params{.x = x.data(),
                                                      .mean = mean.data(),
                                                      .variance = variance.data(),
                                                      .partials = partials.data(),
                                                      .counters = counters.data(),
                                                      .rows = rows,
                                                      .channels = channels,
                                                      .parts = batch_norm_parts(rows, channels)},
                         {&mean, &variance});
    EXPECT_EQ(counters, std::vector<std::uint32_t>(counters.size(), 0U));
  }
};
struct Statistics {
  std::vector<double> mean, variance;
};
Statistics statistics_of(const std::vector<float>& x, std::int64_t rows, std::int64_t channels) {
  Statistics s{zeros(channels), zeros(channels)};
  const auto count = static_cast<double>(rows);
  for (std::int64_t i = 0; i < rows * channels; ++i) at(s.mean, i % channels) += at(x, i) / count;
  for (std::int64_t i = 0; i < rows * channels; ++i) {
    at(s.variance, i % channels) += std::pow(at(x, i) - at(s.mean, i % channels), 2.0) / count;
  }
  return s;
}

const std::pair<std::int64_t, std::int32_t> kBatches[]{
    {1, 1}, {2, 3}, {7, 4}, {100, 5}, {3000, 1}, {513, 20}, {4099, 8}, {70, 300}, {9, 131}};

TEST(CudaBatchNorm, statistics_survive_a_large_mean) {
  for (const auto& [rows, channels] : kBatches) {
    for (const float mean : {0.0f, 1.0f, -4096.0f, 50000.0f}) {
      SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(channels) + " around " +
                   std::to_string(mean));
      auto x = random(rows * channels);
      for (std::int64_t i = 0; i < rows * channels; ++i) {
        x[static_cast<std::size_t>(i)] += mean * static_cast<float>(i % channels % 3);
      }
      BatchNorm norm{.rows = rows, .channels = channels};
      norm.statistics(x);
      const Statistics expected = statistics_of(x, rows, channels);
      expect_close(norm.mean, expected.mean, 1e-6);
      expect_close(norm.variance, expected.variance, 2e-6);
    }
  }
}

TEST(CudaBatchNorm, statistics_survive_a_first_row_far_from_the_rest) {
  auto x = random(4000 * 4);
  std::fill_n(x.begin(), 4, 1e4f);
  BatchNorm norm{.rows = 4000, .channels = 4};
  norm.statistics(x);
  const Statistics expected = statistics_of(x, 4000, 4);
  expect_close(norm.mean, expected.mean, 3e-4);  // beside a deviation of 158
  expect_close(norm.variance, expected.variance, 1e-5);
}

TEST(CudaBatchNorm, statistics_of_one_value_have_no_variance) {
  const std::vector<float> x(1000 * 6, 0.1f);
  BatchNorm norm{.rows = 1000, .channels = 6};
  norm.statistics(x);
  EXPECT_EQ(norm.mean, std::vector<float>(6, 0.1f));
  EXPECT_EQ(norm.variance, std::vector<float>(6, 0.0f));
}

TEST(CudaBatchNorm, normalises) {
  for (const auto& [rows, channels] : kBatches) {
    auto x = random(rows * channels, 1);
    for (float& value : x) value += 10.0f;
    const auto gamma = random(channels, 2), beta = random(channels, 3);
    BatchNorm norm{.rows = rows, .channels = channels};
    norm.statistics(x);
    auto y = unwritten(rows * channels);
    launch_in_all_orders(batch_norm_apply_params{.x = x.data(),
                                                 .mean = norm.mean.data(),
                                                 .variance = norm.variance.data(),
                                                 .gamma = gamma.data(),
                                                 .beta = beta.data(),
                                                 .y = y.data(),
                                                 .rows = rows,
                                                 .channels = channels,
                                                 .epsilon = norm.epsilon},
                         {&y});
    Statistics s = statistics_of(x, rows, channels);
    std::vector<double> expected;
    for (std::int64_t i = 0; i < rows * channels; ++i) {
      const std::int64_t c = i % channels;
      expected.push_back((at(x, i) - at(s.mean, c)) / std::sqrt(at(s.variance, c) + norm.epsilon) *
                             at(gamma, c) +
                         at(beta, c));
    }
    expect_close(y, expected, 1e-5);
  }
}

TEST(CudaBatchNorm, backward_is_the_gradient) {
  for (const auto& [rows, channels] : kBatches) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(channels));
    const auto x = random(rows * channels, 1), dy = random(rows * channels, 2);
    const auto gamma = random(channels, 3);
    BatchNorm norm{.rows = rows, .channels = channels};
    norm.statistics(x);
    auto dgamma = unwritten(channels), dbeta = unwritten(channels), dx = unwritten(rows * channels);
    launch_in_all_orders(batch_norm_backward_sums_params{.x = x.data(),
                                                         .dy = dy.data(),
                                                         .mean = norm.mean.data(),
                                                         .variance = norm.variance.data(),
                                                         .dgamma = dgamma.data(),
                                                         .dbeta = dbeta.data(),
                                                         .partials = norm.partials.data(),
                                                         .counters = norm.counters.data(),
                                                         .rows = rows,
                                                         .channels = channels,
                                                         .parts = batch_norm_parts(rows, channels),
                                                         .epsilon = norm.epsilon},
                         {&dgamma, &dbeta});
    launch_in_all_orders(batch_norm_backward_apply_params{.x = x.data(),
                                                          .dy = dy.data(),
                                                          .mean = norm.mean.data(),
                                                          .variance = norm.variance.data(),
                                                          .gamma = gamma.data(),
                                                          .dgamma = dgamma.data(),
                                                          .dbeta = dbeta.data(),
                                                          .dx = dx.data(),
                                                          .rows = rows,
                                                          .channels = channels,
                                                          .epsilon = norm.epsilon},
                         {&dx});

    Statistics s = statistics_of(x, rows, channels);
    auto sum_dy = zeros(channels), sum_dy_x = zeros(channels);
    const auto normalised = [&](std::int64_t i) {
      const std::int64_t c = i % channels;
      return (at(x, i) - at(s.mean, c)) / std::sqrt(at(s.variance, c) + norm.epsilon);
    };
    for (std::int64_t i = 0; i < rows * channels; ++i) {
      at(sum_dy, i % channels) += at(dy, i);
      at(sum_dy_x, i % channels) += at(dy, i) * normalised(i);
    }
    expect_close(dbeta, sum_dy, 1e-5);
    expect_close(dgamma, sum_dy_x, 1e-5);
    std::vector<double> expected;
    for (std::int64_t i = 0; i < rows * channels; ++i) {
      const std::int64_t c = i % channels;
      expected.push_back(at(gamma, c) / std::sqrt(at(s.variance, c) + norm.epsilon) *
                         (at(dy, i) - (at(sum_dy, c) + normalised(i) * at(sum_dy_x, c)) /
                                          static_cast<double>(rows)));
    }
    expect_close(dx, expected, 1e-5);
  }
}

TEST(CudaBatchNorm, adds_another_value_and_bends_the_result) {
  for (const auto& [rows, channels] : kBatches) {
    const auto x = random(rows * channels, 1), residual = random(rows * channels, 2);
    const auto gamma = random(channels, 3), beta = random(channels, 4);
    BatchNorm norm{.rows = rows, .channels = channels};
    norm.statistics(x);
    auto plain = unwritten(rows * channels), y = unwritten(rows * channels);
    batch_norm_apply_params p{.x = x.data(),
                              .mean = norm.mean.data(),
                              .variance = norm.variance.data(),
                              .gamma = gamma.data(),
                              .beta = beta.data(),
                              .y = plain.data(),
                              .rows = rows,
                              .channels = channels,
                              .epsilon = norm.epsilon};
    launch_in_all_orders(p, {&plain});
    p.y = y.data();
    for (const bool adds : {false, true}) {
      for (const bool bends : {false, true}) {
        p.residual = adds ? residual.data() : nullptr;
        p.relu = bends;
        launch_in_all_orders(p, {&y});
        std::vector<float> expected = plain;
        for (std::size_t i = 0; i < expected.size(); ++i) {
          if (adds) expected[i] += residual[i];
          if (bends) expected[i] = std::max(expected[i], 0.0f);
        }
        EXPECT_EQ(y, expected) << rows << " x " << channels;
      }
    }
  }
}

TEST(CudaBatchNorm, backward_adds_two_gradients_and_masks_the_sum) {
  for (const auto& [rows, channels] : kBatches) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(channels));
    const auto x = random(rows * channels, 1);
    const auto dy = random(rows * channels, 2), dy_2 = random(rows * channels, 3);
    auto mask = random(rows * channels, 4);
    for (float& value : mask) value = std::max(value, 0.0f);
    BatchNorm norm{.rows = rows, .channels = channels};
    norm.statistics(x);
    for (const bool adds : {false, true}) {
      for (const bool masks : {false, true}) {
        std::vector<float> whole = dy;
        for (std::size_t i = 0; i < whole.size(); ++i) {
          if (adds) whole[i] += dy_2[i];
          if (masks && mask[i] == 0.0f) whole[i] = 0.0f;
        }
        auto dgamma = unwritten(channels), dbeta = unwritten(channels);
        batch_norm_backward_sums_params p{.x = x.data(),
                                          .dy = whole.data(),
                                          .mean = norm.mean.data(),
                                          .variance = norm.variance.data(),
                                          .dgamma = dgamma.data(),
                                          .dbeta = dbeta.data(),
                                          .partials = norm.partials.data(),
                                          .counters = norm.counters.data(),
                                          .rows = rows,
                                          .channels = channels,
                                          .parts = batch_norm_parts(rows, channels),
                                          .epsilon = norm.epsilon};
        launch_in_all_orders(p, {&dgamma, &dbeta});
        const auto expected_dgamma = dgamma, expected_dbeta = dbeta;
        auto sum = unwritten(rows * channels);
        p.dy = dy.data();
        if (adds) p.dy_2 = dy_2.data();
        if (masks) p.mask = mask.data();
        p.sum = sum.data();
        launch_in_all_orders(p, {&dgamma, &dbeta, &sum});
        EXPECT_EQ(sum, whole);
        EXPECT_EQ(dgamma, expected_dgamma);
        EXPECT_EQ(dbeta, expected_dbeta);
      }
    }
  }
}

}  // namespace
}  // namespace stoker
