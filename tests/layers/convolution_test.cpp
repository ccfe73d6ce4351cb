// Layers of convolution and pooling against sums in float64, from the layer's options alone.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "core/format.h"

namespace stoker {
namespace {

using Pair = std::array<std::int64_t, 2>;

// What a window does along height and width. A sequence has the height 1.
struct Windows {
  Pair size{1, 1}, strides{1, 1}, dilations{1, 1}, before{0, 0}, count{1, 1};

  std::int64_t reach(std::size_t d) const { return (size[d] - 1) * dilations[d] + 1; }
};

Windows along(Pair size, Pair strides, Pair dilations) {
  return {.size = size, .strides = strides, .dilations = dilations};
}

// Places windows over `extents` with Keras's padding.
Windows placed(Windows w, Pair extents, const std::string& padding) {
  for (std::size_t d = 0; d < 2; ++d) {
    if (padding == "valid") {
      w.count[d] = (extents[d] - w.reach(d)) / w.strides[d] + 1;
    } else if (padding == "causal") {
      w.before[d] = w.reach(d) - 1;
      w.count[d] = (extents[d] - 1) / w.strides[d] + 1;
    } else {
      w.count[d] = (extents[d] + w.strides[d] - 1) / w.strides[d];
      w.before[d] =
          std::max<std::int64_t>((w.count[d] - 1) * w.strides[d] + w.reach(d) - extents[d], 0) / 2;
    }
  }
  return w;
}

struct Image {
  std::int64_t n = 1, h = 1, w = 1, c = 1;
  std::vector<double> values{};

  std::size_t at(std::int64_t i, std::int64_t y, std::int64_t x, std::int64_t k) const {
    return static_cast<std::size_t>(((i * h + y) * w + x) * c + k);
  }
  void clear() { values.assign(static_cast<std::size_t>(n * h * w * c), 0.0); }
};

Image image_of(const Tensor& tensor) {
  const Shape& s = tensor.shape();
  Image image{.n = s[0], .w = s[s.rank() - 2], .c = s.back()};
  if (s.rank() == 4) image.h = s[1];
  for (const float v : tensor.data<float>()) image.values.push_back(static_cast<double>(v));
  return image;
}

// Calls f(n, window, pixel, tap) for each pixel of an image that a window reads.
using Visit = std::function<void(std::int64_t n, Pair window, Pair pixel, Pair tap)>;
void for_each_tap(std::int64_t n, const Windows& w, Pair extents, const Visit& f) {
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t p = 0; p < w.count[0]; ++p) {
      for (std::int64_t q = 0; q < w.count[1]; ++q) {
        for (std::int64_t r = 0; r < w.size[0]; ++r) {
          const std::int64_t y = p * w.strides[0] - w.before[0] + r * w.dilations[0];
          for (std::int64_t s = 0; s < w.size[1]; ++s) {
            const std::int64_t x = q * w.strides[1] - w.before[1] + s * w.dilations[1];
            if (y >= 0 && y < extents[0] && x >= 0 && x < extents[1]) f(i, {p, q}, {y, x}, {r, s});
          }
        }
      }
    }
  }
}

// The kernel is (height, width, channels / groups, filters).
Image convolve(const Image& x, const Tensor& kernel, const Windows& w, std::int64_t groups) {
  const std::int64_t filters = kernel.shape().back(), own = x.c / groups;
  Image y{x.n, w.count[0], w.count[1], filters};
  y.clear();
  for_each_tap(x.n, w, {x.h, x.w}, [&](std::int64_t n, Pair to, Pair from, Pair tap) {
    for (std::int64_t o = 0; o < filters; ++o) {
      for (std::int64_t c = 0; c < own; ++c) {
        const std::int64_t k = ((tap[0] * w.size[1] + tap[1]) * own + c) * filters + o;
        y.values[y.at(n, to[0], to[1], o)] +=
            x.values[x.at(n, from[0], from[1], o / (filters / groups) * own + c)] *
            static_cast<double>(kernel.data<float>()[static_cast<std::size_t>(k)]);
      }
    }
  });
  return y;
}

// The kernel is (height, width, filters, channels), and the windows lie over the result.
Image spread(const Image& x, const Tensor& kernel, const Windows& w, Pair extents) {
  const std::int64_t filters = kernel.shape()[kernel.shape().rank() - 2];
  Image y{x.n, extents[0], extents[1], filters};
  y.clear();
  for_each_tap(x.n, w, extents, [&](std::int64_t n, Pair from, Pair to, Pair tap) {
    for (std::int64_t o = 0; o < filters; ++o) {
      for (std::int64_t c = 0; c < x.c; ++c) {
        const std::int64_t k = ((tap[0] * w.size[1] + tap[1]) * filters + o) * x.c + c;
        y.values[y.at(n, to[0], to[1], o)] +=
            x.values[x.at(n, from[0], from[1], c)] *
            static_cast<double>(kernel.data<float>()[static_cast<std::size_t>(k)]);
      }
    }
  });
  return y;
}

Image pool(const Image& x, const Windows& w, bool is_max) {
  Image y{x.n, w.count[0], w.count[1], x.c};
  y.clear();
  std::vector<double> counts(y.values.size(), 0.0);
  if (is_max) {
    std::ranges::fill(y.values, -std::numeric_limits<double>::infinity());
  }
  for_each_tap(x.n, w, {x.h, x.w}, [&](std::int64_t n, Pair to, Pair from, Pair) {
    for (std::int64_t c = 0; c < x.c; ++c) {
      const double value = x.values[x.at(n, from[0], from[1], c)];
      double& into = y.values[y.at(n, to[0], to[1], c)];
      into = is_max ? std::max(into, value) : into + value;
      ++counts[y.at(n, to[0], to[1], c)];
    }
  });
  for (std::size_t i = 0; i < counts.size() && !is_max; ++i) y.values[i] /= counts[i];
  return y;
}

struct Case {
  std::string name;
  Layer layer;
  Shape input;  // with the batch
  std::function<Image(const Image& x, const std::vector<Tensor>& weights)> expected;
};

// With weights by the shapes of `layer`, none of them 0.
Sequential model_of(const Case& c, Device device, const std::string& policy = "float32") {
  Sequential model({Input(c.input.without_batch()), layer_from_config(c.layer.config())},
                   {.device = std::move(device), .dtype_policy = policy});
  std::vector<Tensor> weights;
  std::uint64_t seed = 1;
  for (const Tensor& weight : model.get_weights()) {
    weights.push_back(Tensor::normal(weight.shape(), 0.0f, 0.5f, seed++));
  }
  model.set_weights(weights);
  return model;
}

void expect_near(const Tensor& got, const Image& expected, double tolerance) {
  const auto values = got.data<float>();
  ASSERT_EQ(values.size(), expected.values.size());
  EXPECT_EQ(got.shape().back(), expected.c);
  double largest = 0.0;
  for (const double v : expected.values) largest = std::max(largest, std::fabs(v));
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(values[i]), expected.values[i], tolerance * largest) << i;
  }
}

std::string text(Pair pair) { return format(pair[0], "x", pair[1]); }

void add_convolutions(std::vector<Case>& all) {
  struct Options {
    Pair size, strides, dilations;
    std::int64_t groups;
  };
  const std::vector<Options> options{
      {{3, 3}, {1, 1}, {1, 1}, 1}, {{2, 4}, {2, 1}, {1, 1}, 2}, {{1, 3}, {3, 2}, {1, 1}, 3},
      {{3, 2}, {1, 1}, {2, 3}, 1}, {{1, 1}, {1, 2}, {1, 1}, 6},
  };
  for (const Options& o : options) {
    for (const char* padding : {"valid", "same"}) {
      const Windows w = along(o.size, o.strides, o.dilations);
      all.push_back({format("conv2d ", padding, ' ', text(o.size), ' ', o.groups),
                     Conv2D(12, {o.size[0], o.size[1]},
                            {.strides = {o.strides[0], o.strides[1]},
                             .padding = padding,
                             .dilation_rate = {o.dilations[0], o.dilations[1]},
                             .groups = o.groups,
                             .use_bias = false}),
                     {3, 7, 8, 6},
                     [=](const Image& x, const std::vector<Tensor>& weights) {
                       return convolve(x, weights[0], placed(w, {x.h, x.w}, padding), o.groups);
                     }});
    }
    for (const char* padding : {"valid", "same", "causal"}) {
      const Windows w = along({1, o.size[1]}, {1, o.strides[1]}, {1, o.dilations[1]});
      all.push_back({format("conv1d ", padding, ' ', o.size[1], ' ', o.groups),
                     Conv1D(6, o.size[1],
                            {.strides = o.strides[1],
                             .padding = padding,
                             .dilation_rate = o.dilations[1],
                             .groups = o.groups,
                             .use_bias = false}),
                     {1, 11, 6},
                     [=](const Image& x, const std::vector<Tensor>& weights) {
                       return convolve(x, weights[0], placed(w, {1, x.w}, padding), o.groups);
                     }});
    }
  }
}

void add_depthwise(std::vector<Case>& all) {
  struct Options {
    Pair size, strides, dilations;
    std::int64_t channels, multiplier;
  };
  const std::vector<Options> options{
      {{3, 3}, {1, 1}, {1, 1}, 5, 1},  {{3, 3}, {2, 2}, {1, 1}, 16, 1},
      {{5, 4}, {1, 1}, {1, 1}, 33, 1}, {{3, 2}, {1, 1}, {2, 3}, 19, 1},
      {{3, 3}, {1, 2}, {1, 1}, 3, 4},  {{1, 3}, {1, 1}, {1, 2}, 1, 2},
  };
  for (const Options& o : options) {
    for (const char* padding : {"valid", "same"}) {
      const Windows w = along(o.size, o.strides, o.dilations);
      // The kernel (height, width, channels, multiplier) is one of as many groups as channels.
      all.push_back({format("depthwise ", padding, ' ', text(o.size), ' ', o.multiplier),
                     DepthwiseConv2D({o.size[0], o.size[1]},
                                     {.strides = {o.strides[0], o.strides[1]},
                                      .padding = padding,
                                      .depth_multiplier = o.multiplier,
                                      .dilation_rate = {o.dilations[0], o.dilations[1]},
                                      .use_bias = false}),
                     {3, 9, 8, o.channels},
                     [=](const Image& x, const std::vector<Tensor>& weights) {
                       const Tensor kernel = weights[0].reshaped(
                           {o.size[0], o.size[1], 1, o.channels * o.multiplier});
                       return convolve(x, kernel, placed(w, {x.h, x.w}, padding), x.c);
                     }});
      const Windows row = along({1, o.size[1]}, {1, o.strides[1]}, {1, o.dilations[1]});
      all.push_back(
          {format("separable1d ", padding, ' ', o.size[1], ' ', o.multiplier),
           SeparableConv1D(7, o.size[1],
                           {.strides = o.strides[1],
                            .padding = padding,
                            .dilation_rate = o.dilations[1],
                            .depth_multiplier = o.multiplier,
                            .use_bias = false}),
           {2, 13, o.channels},
           [=](const Image& x, const std::vector<Tensor>& weights) {
             const Tensor kernel =
                 weights[0].reshaped({1, o.size[1], 1, o.channels * o.multiplier});
             const Image between = convolve(x, kernel, placed(row, {1, x.w}, padding), x.c);
             return convolve(between, weights[1], placed({}, {1, between.w}, "valid"), 1);
           }});
    }
  }
}

void add_transposed(std::vector<Case>& all) {
  struct Options {
    Pair size, strides, dilations;
    std::optional<Pair> output_padding{};
  };
  const std::vector<Options> options{
      {{3, 3}, {1, 1}, {1, 1}},           {{3, 4}, {2, 3}, {1, 1}},
      {{2, 1}, {3, 2}, {1, 1}},           {{3, 2}, {1, 1}, {2, 3}},
      {{3, 5}, {2, 3}, {1, 1}, {{1, 0}}}, {{4, 1}, {2, 4}, {1, 1}, {{0, 2}}},
  };
  for (const Options& o : options) {
    for (const char* padding : {"valid", "same"}) {
      const bool is_same = std::string(padding) == "same";
      // By Keras's documentation of output_padding, and its formulas of the extents.
      const auto expected = [=](const Image& x, const Tensor& kernel, Windows w) {
        w.count = {x.h, x.w};
        Pair extents{};
        for (std::size_t d = 0; d < 2; ++d) {
          const std::int64_t all_windows = (w.count[d] - 1) * w.strides[d];
          if (!o.output_padding || (d == 0 && x.h == 1)) {
            extents[d] = is_same ? w.count[d] * w.strides[d]
                                 : all_windows + std::max(w.reach(d), w.strides[d]);
          } else {
            extents[d] =
                all_windows + (is_same ? w.reach(d) % 2 : w.reach(d)) + (*o.output_padding)[d];
          }
          w.before[d] = std::max<std::int64_t>(all_windows + w.reach(d) - extents[d], 0) / 2;
        }
        return spread(x, kernel, w, extents);
      };
      std::optional<Size2D> size;
      std::optional<std::int64_t> width;
      if (o.output_padding) {
        size = Size2D((*o.output_padding)[0], (*o.output_padding)[1]);
        width = (*o.output_padding)[1];
      }
      all.push_back({format("conv2d_transpose ", padding, ' ', text(o.size), ' ', text(o.strides)),
                     Conv2DTranspose(5, {o.size[0], o.size[1]},
                                     {.strides = {o.strides[0], o.strides[1]},
                                      .padding = padding,
                                      .output_padding = size,
                                      .dilation_rate = {o.dilations[0], o.dilations[1]},
                                      .use_bias = false}),
                     {3, 4, 5, 3},
                     [=](const Image& x, const std::vector<Tensor>& weights) {
                       return expected(x, weights[0], along(o.size, o.strides, o.dilations));
                     }});
      all.push_back({format("conv1d_transpose ", padding, ' ', o.size[1], ' ', o.strides[1]),
                     Conv1DTranspose(4, o.size[1],
                                     {.strides = o.strides[1],
                                      .padding = padding,
                                      .output_padding = width,
                                      .dilation_rate = o.dilations[1],
                                      .use_bias = false}),
                     {1, 6, 2},
                     [=](const Image& x, const std::vector<Tensor>& weights) {
                       return expected(
                           x, weights[0],
                           along({1, o.size[1]}, {1, o.strides[1]}, {1, o.dilations[1]}));
                     }});
    }
  }
}

void add_pooling(std::vector<Case>& all) {
  all.push_back(
      {"pooling1d of a long window",
       MaxPooling1D(300),
       {2, 900, 3},
       [](const Image& x, const std::vector<Tensor>&) {
         return pool(x, placed(along({1, 300}, {1, 300}, {1, 1}), {1, x.w}, "valid"), true);
       }});
  for (const auto& [size, stride] : {Pair{2, 2}, Pair{3, 2}, Pair{4, 1}, Pair{2, 5}}) {
    for (const char* padding : {"valid", "same"}) {
      for (const bool is_max : {false, true}) {
        const Pooling1DOptions options{.strides = stride, .padding = padding};
        const Windows row = along({1, size}, {1, stride}, {1, 1});
        all.push_back({format("pooling1d ", padding, ' ', size, ' ', stride, ' ', is_max),
                       is_max ? MaxPooling1D(size, options) : AveragePooling1D(size, options),
                       {3, 9, 5},
                       [=](const Image& x, const std::vector<Tensor>&) {
                         return pool(x, placed(row, {1, x.w}, padding), is_max);
                       }});
        const PoolingOptions both{.strides = Size2D(stride, 2), .padding = padding};
        const Windows w = along({size, 3}, {stride, 2}, {1, 1});
        all.push_back({format("pooling2d ", padding, ' ', size, ' ', stride, ' ', is_max),
                       is_max ? MaxPooling2D({size, 3}, both) : AveragePooling2D({size, 3}, both),
                       {1, 9, 7, 3},
                       [=](const Image& x, const std::vector<Tensor>&) {
                         return pool(x, placed(w, {x.h, x.w}, padding), is_max);
                       }});
      }
    }
  }
}

std::vector<Case> all_cases() {
  std::vector<Case> all;
  add_convolutions(all);
  add_depthwise(all);
  add_transposed(all);
  add_pooling(all);
  return all;
}

TEST(ConvolutionLayers, are_the_sums_of_their_definition) {
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(c.name);
    const Tensor x = Tensor::normal(c.input, 0.0f, 1.0f, 7);
    Sequential model = model_of(c, Device::cpu());
    expect_near(model.predict(x), c.expected(image_of(x), model.get_weights()), 1e-5);
  }
}

TEST(ConvolutionLayers, are_the_same_rounded_in_mixed_bfloat16) {
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(c.name);
    const Tensor x = Tensor::normal(c.input, 0.0f, 1.0f, 7);
    Sequential model = model_of(c, Device::cpu(), "mixed_bfloat16");
    expect_near(model.predict(x), c.expected(image_of(x), model.get_weights()), 0.03);
  }
}

TEST(ConvolutionLayers, train_with_the_same_bits_on_the_simulated_device) {
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(c.name);
    std::vector<std::vector<Tensor>> weights;
    for (const Device& device : {Device::cpu(), Device::simulated()}) {
      Sequential model = model_of(c, device);
      model.add(Flatten());
      model.add(Dense(1, {.kernel_initializer = "ones"}));
      model.compile({.optimizer = SGD({.learning_rate = 0.01}), .loss = "mse"});
      for (const std::int64_t rows : {c.input[0], std::int64_t{1}}) {
        model.train_on_batch(Tensor::normal(c.input.without_batch().with_batch(rows), 0, 1, 3),
                             Tensor::normal({rows, 1}, 0, 1, 4));
      }
      weights.push_back(model.get_weights());
    }
    for (std::size_t i = 0; i < weights[0].size(); ++i) {
      EXPECT_TRUE(std::ranges::equal(weights[0][i].data<float>(), weights[1][i].data<float>()))
          << i;
    }
  }
}

TEST(ConvolutionLayers, have_a_bias_an_activation_and_penalties) {
  for (const bool biased : {true, false}) {
    Sequential model({Input({6, 2}), SeparableConv1D(3, 2,
                                                     {.activation = "relu",
                                                      .use_bias = biased,
                                                      .bias_initializer = Constant(-0.25),
                                                      .depthwise_regularizer = L2(0.5)})},
                     {.device = Device::cpu()});
    EXPECT_EQ(model.get_weights().size(), biased ? 3u : 2u);
    EXPECT_EQ(model.weight_names()[1], "separable_conv1d/pointwise_kernel");
    model.compile({.optimizer = "sgd", .loss = "mse"});
    const Tensor x({2, 6, 2});
    const Tensor y({2, 5, 3});
    double squares = 0.0;
    const std::vector<Tensor> weights = model.get_weights();
    for (const float w : weights[0].data<float>()) {
      squares += static_cast<double>(w) * static_cast<double>(w);
    }
    EXPECT_NEAR(model.test_on_batch(x, y).loss(), 0.5 * squares, 1e-6);
  }
}

}  // namespace
}  // namespace stoker
