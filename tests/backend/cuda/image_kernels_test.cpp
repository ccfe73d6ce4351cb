// Our CUDA kernels for matrices and images on the emulator: against sums in float64, and where a
// rule decides (which of equal elements is the largest) against the CPU's.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <tbb/task_arena.h>

#include "backend/cpu/ops/kernel.h"
#include "backend/cuda/kernel_launch.h"
#include "backend/cuda/ops/conv2d.h"
#include "backend/cuda/ops/matmul.h"
#include "backend/cuda/ops/pool2d.h"
#include "ops/ops.h"

namespace stoker {
namespace {

using namespace backend::cuda;
using test::at;
using test::expect_close;
using test::kInfinity;
using test::kNaN;
using test::launch;
using test::launch_in_all_orders;
using test::random;
using test::unwritten;
using test::zeros;

// ---- matmul -------------------------------------------------------------------------------------
std::vector<double> product(const matmul_params& p) {
  std::vector<double> y;
  for (std::int64_t i = 0; i < p.m; ++i) {
    for (std::int64_t j = 0; j < p.n; ++j) {
      double sum = p.bias != nullptr ? p.bias[j] : 0.0;
      for (std::int64_t k = 0; k < p.k; ++k) {
        const double a = p.a[p.transpose_a != 0 ? k * p.m + i : i * p.k + k];
        sum += a * p.b[p.transpose_b != 0 ? j * p.k + k : k * p.n + j];
      }
      y.push_back(p.relu != 0 ? std::max(sum, 0.0) : sum);
    }
  }
  return y;
}

TEST(CudaImageKernels, matmul_is_the_product) {
  const std::array<std::int32_t, 3> sizes[]{{1, 1, 1},    {1, 10, 33},  {5, 1, 7},   {64, 64, 16},
                                            {65, 63, 17}, {3, 130, 40}, {200, 5, 90}};
  for (const auto& [m, n, k] : sizes) {
    const auto a = random(std::int64_t{m} * k, 1), b = random(std::int64_t{k} * n, 2);
    const auto bias = random(n, 3);
    for (int options = 0; options < 16; ++options) {
      SCOPED_TRACE(std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k) +
                   " options " + std::to_string(options));
      auto y = unwritten(std::int64_t{m} * n);
      const matmul_params p{.a = a.data(),
                            .b = b.data(),
                            .bias = (options & 4) != 0 ? bias.data() : nullptr,
                            .y = y.data(),
                            .m = m,
                            .n = n,
                            .k = k,
                            .transpose_a = options & 1,
                            .transpose_b = options >> 1 & 1,
                            .relu = options >> 3};
      launch_in_all_orders(p, {&y});
      expect_close(y, product(p), 2e-6);
    }
  }
}

TEST(CudaImageKernels, relu_lets_nan_through) {
  const std::vector<float> a{kNaN, -1.0f}, b{1.0f};
  auto y = unwritten(2);
  launch(matmul_params{.a = a.data(),
                       .b = b.data(),
                       .bias = nullptr,
                       .y = y.data(),
                       .m = 2,
                       .n = 1,
                       .k = 1,
                       .transpose_a = 0,
                       .transpose_b = 0,
                       .relu = 1});
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_EQ(y[1], 0.0f);
}

// ---- Convolutions -------------------------------------------------------------------------------
constexpr Convolution kConvolutions[]{
    {.n = 1,
     .h = 1,
     .w = 1,
     .c = 1,
     .kh = 1,
     .kw = 1,
     .o = 1,
     .p = 1,
     .q = 1,
     .stride_h = 1,
     .stride_w = 1,
     .dilation_h = 1,
     .dilation_w = 1,
     .before_h = 0,
     .before_w = 0,
     .groups = 1},
    {.n = 2,
     .h = 7,
     .w = 6,
     .c = 3,
     .kh = 3,
     .kw = 3,
     .o = 8,
     .p = 5,
     .q = 4,
     .stride_h = 1,
     .stride_w = 1,
     .dilation_h = 1,
     .dilation_w = 1,
     .before_h = 0,
     .before_w = 0,
     .groups = 1},
    // padded on one side only, unequal strides
    {.n = 3,
     .h = 9,
     .w = 8,
     .c = 5,
     .kh = 3,
     .kw = 2,
     .o = 7,
     .p = 5,
     .q = 3,
     .stride_h = 2,
     .stride_w = 3,
     .dilation_h = 1,
     .dilation_w = 1,
     .before_h = 1,
     .before_w = 0,
     .groups = 1},
    // dilated, more output channels than a block takes
    {.n = 2,
     .h = 11,
     .w = 10,
     .c = 4,
     .kh = 2,
     .kw = 3,
     .o = 36,
     .p = 9,
     .q = 7,
     .stride_h = 1,
     .stride_w = 1,
     .dilation_h = 3,
     .dilation_w = 2,
     .before_h = 1,
     .before_w = 1,
     .groups = 1},
    // groups of 4 outputs, and of 3
    {.n = 2,
     .h = 6,
     .w = 6,
     .c = 6,
     .kh = 3,
     .kw = 3,
     .o = 12,
     .p = 6,
     .q = 6,
     .stride_h = 1,
     .stride_w = 1,
     .dilation_h = 1,
     .dilation_w = 1,
     .before_h = 1,
     .before_w = 1,
     .groups = 3},
    {.n = 1,
     .h = 6,
     .w = 5,
     .c = 4,
     .kh = 3,
     .kw = 1,
     .o = 6,
     .p = 2,
     .q = 3,
     .stride_h = 2,
     .stride_w = 2,
     .dilation_h = 2,
     .dilation_w = 1,
     .before_h = 1,
     .before_w = 0,
     .groups = 2},
    // depthwise, the kernel larger than the image
    {.n = 2,
     .h = 2,
     .w = 3,
     .c = 8,
     .kh = 5,
     .kw = 5,
     .o = 8,
     .p = 2,
     .q = 3,
     .stride_h = 1,
     .stride_w = 1,
     .dilation_h = 1,
     .dilation_w = 1,
     .before_h = 2,
     .before_w = 2,
     .groups = 8},
};

// f(index in x, index in the kernel, index in y) for every multiplication.
template <class F>
void each_product(const Convolution& at, F f) {
  const std::int64_t channels = at.c / at.groups, outputs = at.o / at.groups;
  for (std::int64_t n = 0; n < at.n; ++n)
    for (std::int64_t p = 0; p < at.p; ++p)
      for (std::int64_t q = 0; q < at.q; ++q)
        for (std::int64_t r = 0; r < at.kh; ++r)
          for (std::int64_t s = 0; s < at.kw; ++s) {
            const std::int64_t y = p * at.stride_h - at.before_h + r * at.dilation_h;
            const std::int64_t x = q * at.stride_w - at.before_w + s * at.dilation_w;
            if (y < 0 || y >= at.h || x < 0 || x >= at.w) continue;
            for (std::int64_t c = 0; c < channels; ++c)
              for (std::int64_t o = 0; o < at.o; ++o) {
                f(((n * at.h + y) * at.w + x) * at.c + o / outputs * channels + c,
                  ((r * at.kw + s) * channels + c) * at.o + o,
                  ((n * at.p + p) * at.q + q) * at.o + o);
              }
          }
}
std::int64_t x_size(const Convolution& at) { return std::int64_t{at.n} * at.h * at.w * at.c; }
std::int64_t y_size(const Convolution& at) { return std::int64_t{at.n} * at.p * at.q * at.o; }
std::int64_t kernel_size(const Convolution& at) {
  return std::int64_t{at.kh} * at.kw * (at.c / at.groups) * at.o;
}

TEST(CudaImageKernels, conv2d_is_the_sum_of_its_products) {
  for (const Convolution& shape : kConvolutions) {
    const auto x = random(x_size(shape), 1), kernel = random(kernel_size(shape), 2);
    const auto bias = random(shape.o, 3);
    for (const bool epilogue : {false, true}) {
      auto expected = zeros(y_size(shape));
      each_product(shape,
                   [&](auto i, auto k, auto o) { at(expected, o) += at(x, i) * at(kernel, k); });
      for (std::int64_t i = 0; epilogue && i < y_size(shape); ++i) {
        at(expected, i) = std::max(at(expected, i) + at(bias, i % shape.o), 0.0);
      }
      auto y = unwritten(y_size(shape));
      launch_in_all_orders(conv2d_params{.x = x.data(),
                                         .kernel = kernel.data(),
                                         .bias = epilogue ? bias.data() : nullptr,
                                         .y = y.data(),
                                         .at = shape,
                                         .relu = epilogue},
                           {&y});
      expect_close(y, expected, 2e-6);
    }
  }
}

TEST(CudaImageKernels, conv2d_backward_data_is_the_sum_of_its_products) {
  for (const Convolution& shape : kConvolutions) {
    const auto dy = random(y_size(shape), 1), kernel = random(kernel_size(shape), 2);
    auto expected = zeros(x_size(shape));
    each_product(shape,
                 [&](auto i, auto k, auto o) { at(expected, i) += at(dy, o) * at(kernel, k); });
    auto dx = unwritten(x_size(shape));
    launch_in_all_orders(
        conv2d_backward_data_params{
            .dy = dy.data(), .kernel = kernel.data(), .dx = dx.data(), .at = shape},
        {&dx});
    expect_close(dx, expected, 2e-6);
  }
}

TEST(CudaImageKernels, conv2d_backward_weights_is_the_sum_of_its_products) {
  for (const Convolution& shape : kConvolutions) {
    const auto x = random(x_size(shape), 1), dy = random(y_size(shape), 2);
    auto expected = zeros(kernel_size(shape)), expected_bias = zeros(shape.o);
    each_product(shape, [&](auto i, auto k, auto o) { at(expected, k) += at(x, i) * at(dy, o); });
    for (std::int64_t i = 0; i < y_size(shape); ++i) at(expected_bias, i % shape.o) += at(dy, i);
    for (const bool with_bias : {false, true}) {
      auto dkernel = unwritten(kernel_size(shape)), dbias = unwritten(shape.o);
      launch_in_all_orders(
          conv2d_backward_weights_params{.x = x.data(),
                                         .dy = dy.data(),
                                         .dkernel = dkernel.data(),
                                         .dbias = with_bias ? dbias.data() : nullptr,
                                         .at = shape},
          {&dkernel, &dbias});
      expect_close(dkernel, expected, 4e-6);
      if (with_bias) expect_close(dbias, expected_bias, 4e-6);
    }
  }
}

// ---- Pooling ------------------------------------------------------------------------------------
struct Pool {
  Window at;
  std::array<std::int64_t, 2> after;  // padding
};
constexpr Pool kPools[]{
    {{.n = 1,
      .h = 1,
      .w = 1,
      .c = 1,
      .p = 1,
      .q = 1,
      .window_h = 1,
      .window_w = 1,
      .stride_h = 1,
      .stride_w = 1,
      .before_h = 0,
      .before_w = 0},
     {0, 0}},
    {{.n = 3,
      .h = 8,
      .w = 6,
      .c = 16,
      .p = 4,
      .q = 3,
      .window_h = 2,
      .window_w = 2,
      .stride_h = 2,
      .stride_w = 2,
      .before_h = 0,
      .before_w = 0},
     {0, 0}},
    // windows overlap
    {{.n = 2,
      .h = 9,
      .w = 7,
      .c = 5,
      .p = 5,
      .q = 4,
      .window_h = 3,
      .window_w = 3,
      .stride_h = 2,
      .stride_w = 2,
      .before_h = 1,
      .before_w = 1},
     {1, 1}},
    // padded behind only
    {{.n = 2,
      .h = 5,
      .w = 5,
      .c = 4,
      .p = 3,
      .q = 3,
      .window_h = 2,
      .window_w = 2,
      .stride_h = 2,
      .stride_w = 2,
      .before_h = 0,
      .before_w = 0},
     {1, 1}},
    // windows with gaps between, flat and wide
    {{.n = 2,
      .h = 10,
      .w = 9,
      .c = 3,
      .p = 3,
      .q = 8,
      .window_h = 1,
      .window_w = 2,
      .stride_h = 4,
      .stride_w = 1,
      .before_h = 0,
      .before_w = 0},
     {0, 0}},
    // the whole image
    {{.n = 4,
      .h = 7,
      .w = 7,
      .c = 8,
      .p = 1,
      .q = 1,
      .window_h = 7,
      .window_w = 7,
      .stride_h = 7,
      .stride_w = 7,
      .before_h = 0,
      .before_w = 0},
     {0, 0}},
};

// Few different values, so that many are equal.
std::vector<float> image_for(const Window& w, int seed) {
  auto x = random(std::int64_t{w.n} * w.h * w.w * w.c, static_cast<std::uint32_t>(seed));
  for (float& value : x) value = std::round(value * 3.0f);
  return x;
}

// The CPU's pool2d.
class CpuPool {
 public:
  CpuPool(const Pool& pool, ops::PoolKind kind) {
    const Window& w = pool.at;
    ops::Pool2DAttributes attributes;
    attributes.kind = kind;
    attributes.window = {w.window_h, w.window_w};
    attributes.strides = {w.stride_h, w.stride_w};
    attributes.padding_before = {w.before_h, w.before_w};
    attributes.padding_after = pool.after;
    const auto x = graph_.leaf("x", {DType::float32, Shape{w.n, w.h, w.w, w.c}},
                               {.space = graph::Space::input});
    ops::pool2d(x, attributes);
  }
  // The places are bytes, or int32 for windows of more than 255 pixels.
  template <class Place>
  void run(std::vector<float> x, std::vector<float>& y, std::vector<Place>& argmax) {
    tbb::task_arena arena(1);
    arena.execute([&] {
      const auto& node = graph_.nodes().back();
      const auto kernel = backend::cpu::pool2d_on_cpu.make_kernel({graph_, node, 0, 1});
      std::vector<std::byte> workspace(kernel->workspace_bytes() + 64);
      std::vector<void*> values(graph_.value_count());
      values[static_cast<std::size_t>(node.inputs[0])] = x.data();
      values[static_cast<std::size_t>(node.outputs[0])] = y.data();
      if (node.outputs.size() > 1) {
        values[static_cast<std::size_t>(node.outputs[1])] = argmax.data();
      }
      void* aligned = workspace.data();
      auto space = workspace.size();
      std::align(64, 1, aligned, space);
      plan::Scalars scalars;
      kernel->run({values.data(), &scalars, static_cast<std::byte*>(aligned)});
    });
  }

 private:
  graph::Graph graph_;
};

TEST(CudaImageKernels, pool2d_is_the_cpus) {
  for (const Pool& pool : kPools) {
    const Window& w = pool.at;
    for (const bool is_max : {true, false}) {
      const auto x = image_for(w, 1);
      auto y = unwritten(std::int64_t{w.n} * w.p * w.q * w.c);
      auto expected = y;
      std::vector<std::uint8_t> argmax(y.size(), 0xEE), expected_argmax = argmax;
      CpuPool(pool, is_max ? ops::PoolKind::max : ops::PoolKind::average)
          .run(x, expected, expected_argmax);
      launch_in_all_orders(
          pool2d_params{
              .x = x.data(), .y = y.data(), .argmax = is_max ? argmax.data() : nullptr, .at = w},
          {&y});
      expect_close(y, expected, 1e-6);
      EXPECT_EQ(argmax, expected_argmax);
    }
  }
}

TEST(CudaImageKernels, pool2d_passes_on_what_is_not_finite_as_the_cpu_does) {
  const Pool& pool = kPools[2];
  const Window& w = pool.at;
  auto x = image_for(w, 1);
  for (std::size_t i = 0; i < x.size(); i += 3) x[i] = kNaN;
  for (std::size_t i = 1; i < x.size(); i += 7) x[i] = -kInfinity;
  auto y = unwritten(std::int64_t{w.n} * w.p * w.q * w.c);
  auto expected = y;
  std::vector<std::uint8_t> argmax(y.size()), expected_argmax = argmax;
  CpuPool(pool, ops::PoolKind::max).run(x, expected, expected_argmax);
  launch(pool2d_params{.x = x.data(), .y = y.data(), .argmax = argmax.data(), .at = w});
  expect_close(y, expected, 0.0);
  EXPECT_EQ(argmax, expected_argmax);
}

TEST(CudaImageKernels, pool2d_of_a_wide_window_has_places_of_more_than_a_byte) {
  const Pool pool{{.n = 2,
                   .h = 3,
                   .w = 290,
                   .c = 4,
                   .p = 2,
                   .q = 3,
                   .window_h = 2,
                   .window_w = 200,
                   .stride_h = 1,
                   .stride_w = 50,
                   .before_h = 0,
                   .before_w = 7},
                  {0, 3}};
  const Window& w = pool.at;
  const auto x = image_for(w, 1);
  auto y = unwritten(std::int64_t{w.n} * w.p * w.q * w.c);
  auto expected = y;
  std::vector<std::int32_t> argmax(y.size(), -1), expected_argmax = argmax;
  CpuPool(pool, ops::PoolKind::max).run(x, expected, expected_argmax);
  launch(pool2d_params{.x = x.data(), .y = y.data(), .argmax = argmax.data(), .at = w, .wide = 1});
  EXPECT_EQ(y, expected);
  EXPECT_EQ(argmax, expected_argmax);

  const auto dy = random(static_cast<std::int64_t>(y.size()), 2);
  auto dx = unwritten(static_cast<std::int64_t>(x.size()));
  launch(pool2d_backward_params{
      .dy = dy.data(), .argmax = argmax.data(), .dx = dx.data(), .at = w, .wide = 1});
  std::vector<double> spread(x.size());
  for (std::size_t i = 0; i < y.size(); ++i) {
    const auto window = static_cast<std::int64_t>(i) / w.c;
    const std::int64_t row = window / w.q % w.p * w.stride_h + argmax[i] / w.window_w;
    const std::int64_t column = window % w.q * w.stride_w - w.before_w + argmax[i] % w.window_w;
    const std::int64_t image = window / (w.p * w.q);
    const std::int64_t pixel = (image * w.h + row) * w.w + column;
    spread[static_cast<std::size_t>(pixel * w.c + static_cast<std::int64_t>(i) % w.c)] +=
        static_cast<double>(dy[i]);
  }
  expect_close(dx, spread, 1e-6);
}

TEST(CudaImageKernels, pool2d_of_no_number_takes_the_first_pixel_of_the_image) {
  const Pool& pool = kPools[2];  // the first window begins in the padding
  const std::vector<float> x(image_for(pool.at, 1).size(), kNaN);
  auto y = unwritten(std::int64_t{pool.at.n} * pool.at.p * pool.at.q * pool.at.c);
  std::vector<std::uint8_t> argmax(y.size());
  launch(pool2d_params{.x = x.data(), .y = y.data(), .argmax = argmax.data(), .at = pool.at});
  EXPECT_EQ(y[0], -kInfinity);
  EXPECT_EQ(argmax[0], 4);
}

// Sends each dy where it came from.
TEST(CudaImageKernels, pool2d_backward_gives_each_gradient_back) {
  for (const Pool& pool : kPools) {
    const Window& w = pool.at;
    for (const bool is_max : {true, false}) {
      const auto x = image_for(w, 1);
      const auto dy = random(std::int64_t{w.n} * w.p * w.q * w.c, 2);
      auto y = unwritten(static_cast<std::int64_t>(dy.size()));
      std::vector<std::uint8_t> argmax(y.size());
      launch(pool2d_params{.x = x.data(), .y = y.data(), .argmax = argmax.data(), .at = w});

      auto expected = zeros(static_cast<std::int64_t>(x.size()));
      for (std::int64_t i = 0; i < static_cast<std::int64_t>(dy.size()); ++i) {
        const std::int64_t c = i % w.c, q = i / w.c % w.q, p = i / w.c / w.q % w.p;
        const std::int64_t n = i / w.c / w.q / w.p;
        std::vector<std::int64_t> inside;
        for (std::int64_t place = 0; place < w.window_h * w.window_w; ++place) {
          const std::int64_t h = p * w.stride_h - w.before_h + place / w.window_w;
          const std::int64_t v = q * w.stride_w - w.before_w + place % w.window_w;
          if (h < 0 || h >= w.h || v < 0 || v >= w.w) continue;
          if (is_max && place != argmax[static_cast<std::size_t>(i)]) continue;
          inside.push_back(((n * w.h + h) * w.w + v) * w.c + c);
        }
        for (const auto to : inside) {
          at(expected, to) += at(dy, i) / static_cast<double>(inside.size());
        }
      }
      auto dx = unwritten(static_cast<std::int64_t>(x.size()));
      launch_in_all_orders(pool2d_backward_params{.dy = dy.data(),
                                                  .argmax = is_max ? argmax.data() : nullptr,
                                                  .dx = dx.data(),
                                                  .at = w},
                           {&dx});
      expect_close(dx, expected, 1e-6);
    }
  }
}

}  // namespace
}  // namespace stoker
