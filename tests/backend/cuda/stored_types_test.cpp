// Our CUDA kernels on 16-bit images: the bits of the float32 kernel on the same numbers, rounded.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "backend/cuda/kernel_launch.h"
#include "backend/cuda/ops/attention.h"
#include "backend/cuda/ops/batch_norm.h"
#include "backend/cuda/ops/pool2d.h"
#include "backend/cuda/ops/softmax.h"
#include "stoker/dtype.h"

namespace stoker {
namespace {

using namespace backend::cuda;
using test::launch;
using test::random;
using test::unwritten;

template <class T>
constexpr Element kElement = Element::float32;
template <>
constexpr Element kElement<bfloat16> = Element::bfloat16;
template <>
constexpr Element kElement<float16> = Element::float16;

// An image as a kernel of T and one of float32 see it.
template <class T>
struct Image {
  std::vector<T> stored;
  std::vector<float> wide;

  Image() = default;
  explicit Image(const std::vector<float>& values) {
    for (const float value : values) {
      stored.emplace_back(value);
      wide.push_back(static_cast<float>(stored.back()));
    }
  }
};

template <class T>
std::vector<T> unstored(std::size_t count) {
  return std::vector<T>(count, T(test::kNaN));
}

template <class T>
void expect_rounded(const std::vector<T>& received, const std::vector<float>& wide) {
  ASSERT_EQ(received.size(), wide.size());
  for (std::size_t i = 0; i < wide.size(); ++i) {
    const T expected(wide[i]);
    ASSERT_EQ(std::memcmp(&received[i], &expected, sizeof(T)), 0)
        << "at " << i << ": " << static_cast<float>(received[i]) << " of " << wide[i];
  }
}

template <class T>
class CudaStoredTypes : public testing::Test {};
using Types = testing::Types<bfloat16, float16>;
TYPED_TEST_SUITE(CudaStoredTypes, Types);

TYPED_TEST(CudaStoredTypes, softmax) {
  using T = TypeParam;
  for (const std::int32_t columns : {1, 10, 12, 16, 1000, 1027, 2064}) {
    constexpr std::int64_t kRows = 5;
    // Far apart, so that some results are denormal numbers of float16, some 0.
    std::vector<float> values = random(kRows * columns);
    for (float& value : values) value *= 12.0f;
    const Image<T> x(values);
    for (const std::int32_t log : {0, 1}) {
      auto y = unstored<T>(x.stored.size());
      auto wide = unwritten(kRows * columns);
      softmax_params p{.x = x.stored.data(),
                       .y = y.data(),
                       .rows = kRows,
                       .columns = columns,
                       .log = log,
                       .element = kElement<T>};
      launch(p);
      p.x = x.wide.data();
      p.y = wide.data();
      p.element = Element::float32;
      launch(p);
      expect_rounded(y, wide);
    }
  }
}

// Two heads of queries on one of keys, with more of both than a tile has, and a mask.
AttentionShared attention_of(const std::vector<float>& key_mask, const plan::Scalars& scalars) {
  AttentionShared in;
  in.key_mask = key_mask.data();
  in.scalars = &scalars;
  in.batch = 2;
  in.queries = 70;
  in.keys = 67;
  in.heads = 2;
  in.key_heads = 1;
  in.key_dim = 20;
  in.value_dim = 33;
  in.scale = 0.25f;
  in.dropout = 0.25f;
  in.causal = 1;
  return in;
}

TYPED_TEST(CudaStoredTypes, attention) {
  using T = TypeParam;
  std::vector<float> key_mask(2 * 67, 1.0f);
  for (std::size_t i = 3; i < key_mask.size(); i += 3) key_mask[i] = 0.0f;
  plan::Scalars scalars;
  scalars.seed = 7;
  const AttentionShared in = attention_of(key_mask, scalars);
  const std::int64_t rows = std::int64_t{in.batch} * in.queries * in.heads;
  const std::int64_t key_rows = std::int64_t{in.batch} * in.keys;
  const Image<T> query(random(rows * in.key_dim)), key(random(key_rows * in.key_dim)),
      value(random(key_rows * in.value_dim)), dy(random(rows * in.value_dim)),
      y(random(rows * in.value_dim));
  std::vector<float> logarithms(static_cast<std::size_t>(rows), 2.0f);
  // Runs both kernels on one of the images' forms, whose results have the same type.
  const auto run = [&](auto form, Element element, auto results) {
    AttentionShared shared = in;
    shared.element = element;
    shared.query = form(query);
    shared.key = form(key);
    shared.value = form(value);
    std::vector<float> own(logarithms.size());
    launch(attention_params{.in = shared, .y = results[0]->data(), .logarithms = own.data()});
    launch(attention_backward_params{.in = shared,
                                     .dy = form(dy),
                                     .y = form(y),
                                     .logarithms = logarithms.data(),
                                     .dquery = results[1]->data(),
                                     .dkey = results[2]->data(),
                                     .dvalue = results[3]->data()});
  };
  const std::array<std::int64_t, 4> sizes{rows * in.value_dim, rows * in.key_dim,
                                          key_rows * in.key_dim, key_rows * in.value_dim};
  std::array<std::vector<T>, 4> stored;
  std::array<std::vector<float>, 4> wide;
  std::array<std::vector<T>*, 4> to_stored{};
  std::array<std::vector<float>*, 4> to_wide{};
  for (std::size_t i = 0; i < 4; ++i) {
    stored[i] = unstored<T>(static_cast<std::size_t>(sizes[i]));
    wide[i] = unwritten(sizes[i]);
    to_stored[i] = &stored[i];
    to_wide[i] = &wide[i];
  }
  run([](const Image<T>& image) -> const void* { return image.stored.data(); }, kElement<T>,
      to_stored);
  run([](const Image<T>& image) -> const void* { return image.wide.data(); }, Element::float32,
      to_wide);
  for (std::size_t i = 0; i < 4; ++i) {
    SCOPED_TRACE(i);
    expect_rounded(stored[i], wide[i]);
  }
}

TYPED_TEST(CudaStoredTypes, pooling) {
  using T = TypeParam;
  for (const std::int32_t channels : {3, 4, 8}) {
    for (const bool is_max : {true, false}) {
      const Window at{.n = 2,
                      .h = 7,
                      .w = 9,
                      .c = channels,
                      .p = 3,
                      .q = 4,
                      .window_h = 3,
                      .window_w = 2,
                      .stride_h = 2,
                      .stride_w = 2,
                      .before_h = 0,
                      .before_w = 0};
      const std::int64_t pixels = std::int64_t{2} * 7 * 9 * channels;
      const std::int64_t places = std::int64_t{2} * 3 * 4 * channels;
      const Image<T> x(random(pixels)), dy(random(places, 2));
      auto y = unstored<T>(dy.stored.size());
      auto dx = unstored<T>(x.stored.size());
      auto wide_y = unwritten(places), wide_dx = unwritten(pixels);
      std::vector<std::uint8_t> argmax(dy.stored.size()), wide_argmax(dy.stored.size());
      launch(pool2d_params{.x = x.stored.data(),
                           .y = y.data(),
                           .argmax = is_max ? argmax.data() : nullptr,
                           .at = at,
                           .element = kElement<T>});
      launch(pool2d_params{.x = x.wide.data(),
                           .y = wide_y.data(),
                           .argmax = is_max ? wide_argmax.data() : nullptr,
                           .at = at});
      expect_rounded(y, wide_y);
      EXPECT_EQ(argmax, wide_argmax);
      launch(pool2d_backward_params{.dy = dy.stored.data(),
                                    .argmax = is_max ? argmax.data() : nullptr,
                                    .dx = dx.data(),
                                    .at = at,
                                    .element = kElement<T>});
      launch(pool2d_backward_params{.dy = dy.wide.data(),
                                    .argmax = is_max ? argmax.data() : nullptr,
                                    .dx = wide_dx.data(),
                                    .at = at});
      expect_rounded(dx, wide_dx);
    }
  }
}

// Every 16-bit number but NaN comes out as it went in.
TYPED_TEST(CudaStoredTypes, every_number_is_read_and_written) {
  using T = TypeParam;
  std::vector<T> x;
  for (std::uint32_t bits = 0; bits < 0x10000U; ++bits) {
    T value;
    value.bits = static_cast<std::uint16_t>(bits);
    const auto wide = static_cast<float>(value);
    x.push_back(wide == wide ? value : T(1.0f));
  }
  auto y = unstored<T>(x.size());
  const Window at{.n = 1,
                  .h = 256,
                  .w = 64,
                  .c = 4,
                  .p = 256,
                  .q = 64,
                  .window_h = 1,
                  .window_w = 1,
                  .stride_h = 1,
                  .stride_w = 1,
                  .before_h = 0,
                  .before_w = 0};
  launch(pool2d_params{.x = x.data(), .y = y.data(), .at = at, .element = kElement<T>});
  for (std::size_t i = 0; i < x.size(); ++i) {
    // Averages begin at 0, which has no sign of its own.
    const auto expected = static_cast<float>(x[i]);
    ASSERT_EQ(static_cast<float>(y[i]), expected) << i;
  }
}

TYPED_TEST(CudaStoredTypes, batch_norm) {
  using T = TypeParam;
  constexpr std::int64_t kRows = 200;
  for (const std::int32_t channels : {3, 12, 16, 264}) {
    const std::int64_t count = kRows * channels;
    const Image<T> x(random(count)), residual(random(count, 2));
    const auto gamma = random(channels, 3), beta = random(channels, 4);
    auto mean = unwritten(channels), variance = unwritten(channels);
    auto wide_mean = mean, wide_variance = variance;
    auto partials = unwritten(
        static_cast<std::int64_t>(batch_norm_partials_bytes(kRows, channels) / sizeof(float)));
    std::vector<std::uint32_t> counters(static_cast<std::size_t>(batch_norm_counters(channels)));
    batch_norm_statistics_params sums{.x = x.stored.data(),
                                      .mean = mean.data(),
                                      .variance = variance.data(),
                                      .partials = partials.data(),
                                      .counters = counters.data(),
                                      .rows = kRows,
                                      .channels = channels,
                                      .parts = batch_norm_parts(kRows, channels),
                                      .element = kElement<T>};
    launch(sums);
    sums.x = x.wide.data();
    sums.mean = wide_mean.data();
    sums.variance = wide_variance.data();
    sums.element = Element::float32;
    launch(sums);
    EXPECT_EQ(mean, wide_mean);
    EXPECT_EQ(variance, wide_variance);

    for (const bool has_tail : {false, true}) {
      auto y = unstored<T>(x.stored.size());
      auto wide = unwritten(count);
      batch_norm_apply_params apply{.x = x.stored.data(),
                                    .mean = mean.data(),
                                    .variance = variance.data(),
                                    .gamma = gamma.data(),
                                    .beta = beta.data(),
                                    .residual = has_tail ? residual.stored.data() : nullptr,
                                    .y = y.data(),
                                    .rows = kRows,
                                    .channels = channels,
                                    .relu = has_tail,
                                    .epsilon = 1e-3f,
                                    .element = kElement<T>};
      launch(apply);
      apply.x = x.wide.data();
      apply.residual = has_tail ? residual.wide.data() : nullptr;
      apply.y = wide.data();
      apply.element = Element::float32;
      launch(apply);
      expect_rounded(y, wide);
    }
  }
}

// The gradient that is kept for others is the one that is summed: the rounded one.
TYPED_TEST(CudaStoredTypes, batch_norm_backward) {
  using T = TypeParam;
  constexpr std::int64_t kRows = 200;
  for (const std::int32_t channels : {3, 12, 16, 264}) {
    const std::int64_t count = kRows * channels;
    const Image<T> x(random(count)), dy(random(count, 2)), dy_2(random(count, 3));
    std::vector<float> kept = random(count, 4);
    for (float& value : kept) value = std::max(value, 0.0f);
    const Image<T> mask(kept);
    std::vector<float> whole;
    for (std::size_t i = 0; i < kept.size(); ++i) {
      whole.push_back(mask.wide[i] != 0.0f ? dy.wide[i] + dy_2.wide[i] : 0.0f);
    }
    const Image<T> gathered(whole);
    const auto mean = random(channels, 5), gamma = random(channels, 6);
    std::vector<float> variance(static_cast<std::size_t>(channels), 0.5f);
    auto partials = unwritten(
        static_cast<std::int64_t>(batch_norm_partials_bytes(kRows, channels) / sizeof(float)));
    std::vector<std::uint32_t> counters(static_cast<std::size_t>(batch_norm_counters(channels)));
    auto sum = unstored<T>(x.stored.size());
    auto dgamma = unwritten(channels), dbeta = unwritten(channels);
    auto wide_dgamma = dgamma, wide_dbeta = dbeta;
    batch_norm_backward_sums_params sums{.x = x.stored.data(),
                                         .dy = dy.stored.data(),
                                         .dy_2 = dy_2.stored.data(),
                                         .mask = mask.stored.data(),
                                         .sum = sum.data(),
                                         .mean = mean.data(),
                                         .variance = variance.data(),
                                         .dgamma = dgamma.data(),
                                         .dbeta = dbeta.data(),
                                         .partials = partials.data(),
                                         .counters = counters.data(),
                                         .rows = kRows,
                                         .channels = channels,
                                         .parts = batch_norm_parts(kRows, channels),
                                         .epsilon = 1e-3f,
                                         .element = kElement<T>};
    launch(sums);
    expect_rounded(sum, whole);
    sums.x = x.wide.data();
    sums.dy = gathered.wide.data();
    sums.dy_2 = sums.mask = nullptr;
    sums.sum = nullptr;
    sums.dgamma = wide_dgamma.data();
    sums.dbeta = wide_dbeta.data();
    sums.element = Element::float32;
    launch(sums);
    EXPECT_EQ(dgamma, wide_dgamma);
    EXPECT_EQ(dbeta, wide_dbeta);

    auto dx = unstored<T>(x.stored.size());
    auto wide_dx = unwritten(count);
    batch_norm_backward_apply_params apply{.x = x.stored.data(),
                                           .dy = sum.data(),
                                           .mean = mean.data(),
                                           .variance = variance.data(),
                                           .gamma = gamma.data(),
                                           .dgamma = dgamma.data(),
                                           .dbeta = dbeta.data(),
                                           .dx = dx.data(),
                                           .rows = kRows,
                                           .channels = channels,
                                           .epsilon = 1e-3f,
                                           .element = kElement<T>};
    launch(apply);
    apply.x = x.wide.data();
    apply.dy = gathered.wide.data();
    apply.dx = wide_dx.data();
    apply.element = Element::float32;
    launch(apply);
    expect_rounded(dx, wide_dx);
  }
}

TYPED_TEST(CudaStoredTypes, embedding_backward) {
  using T = TypeParam;
  const std::vector<std::int32_t> ids{0, 2, 2, 1, 0, 2};
  for (const std::int32_t columns : {3, 4, 8, 264}) {
    const Image<T> dy(random(6 * columns));
    auto table = unwritten(3 * columns), wide = unwritten(3 * columns);
    embedding_backward_params p{.dy = dy.stored.data(),
                                .dtable = table.data(),
                                .count = 6,
                                .entries = 3,
                                .columns = columns,
                                .element = kElement<T>};
    test::launch_embedding_backward(p, ids.data(), Labels::int32_classes);
    p.dy = dy.wide.data();
    p.dtable = wide.data();
    p.element = Element::float32;
    test::launch_embedding_backward(p, ids.data(), Labels::int32_classes);
    EXPECT_EQ(table, wide);
  }
}

}  // namespace
}  // namespace stoker
