// Ops conv2d, conv2d_backward_data and conv2d_backward_weights.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/format.h"
#include "ops/cases.h"
#include "stoker/error.h"
#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

using cases::OpCase;
using cases::size;
using cases::Tensors;
using cases::uniform;
using cases::Values;
using graph::Expr;
using graph::Graph;
using graph::Value;
using Pair = std::array<std::int64_t, 2>;

struct Convolution {
  const char* name = "";
  Shape x, kernel;
  Pair strides{1, 1}, dilations{1, 1}, before{0, 0}, after{0, 0};
  std::int64_t groups = 1;

  std::int64_t extent(std::size_t d) const {
    const std::int64_t reach = (kernel[d] - 1) * dilations[d] + 1;
    return (x[d + 1] + before[d] + after[d] - reach) / strides[d] + 1;
  }
  Shape y() const { return {x[0], extent(0), extent(1), kernel[3]}; }
  ops::Conv2DAttributes attributes() const {
    ops::Conv2DAttributes a;
    a.strides = strides;
    a.dilations = dilations;
    a.padding_before = before;
    a.padding_after = after;
    a.groups = groups;
    return a;
  }
};

// Calls f with the index in y, x and kernel of each multiplication that a convolution is made of.
template <class F>
void for_each_tap(const Convolution& c, const F& f) {
  const Shape y = c.y();
  const std::int64_t own = c.kernel[2], outputs = c.kernel[3] / c.groups;
  std::size_t at = 0;
  for (std::int64_t n = 0; n < y[0]; ++n) {
    for (std::int64_t p = 0; p < y[1]; ++p) {
      for (std::int64_t q = 0; q < y[2]; ++q) {
        for (std::int64_t o = 0; o < y[3]; ++o, ++at) {
          for (std::int64_t i = 0; i < c.kernel[0]; ++i) {
            const std::int64_t h = p * c.strides[0] + i * c.dilations[0] - c.before[0];
            if (h < 0 || h >= c.x[1]) continue;
            for (std::int64_t j = 0; j < c.kernel[1]; ++j) {
              const std::int64_t w = q * c.strides[1] + j * c.dilations[1] - c.before[1];
              if (w < 0 || w >= c.x[2]) continue;
              const std::int64_t pixel = ((n * c.x[1] + h) * c.x[2] + w) * c.x[3];
              const std::int64_t tap = (i * c.kernel[1] + j) * own;
              for (std::int64_t channel = 0; channel < own; ++channel) {
                f(at, size(pixel + o / outputs * own + channel),
                  size((tap + channel) * c.kernel[3] + o));
              }
            }
          }
        }
      }
    }
  }
}

const std::vector<Convolution>& convolutions() {
  static const std::vector<Convolution> all{
      {.name = "valid, one channel", .x = {1, 5, 5, 1}, .kernel = {3, 3, 1, 1}},
      {.name = "same",
       .x = {2, 7, 6, 3},
       .kernel = {3, 3, 3, 4},
       .before = {1, 1},
       .after = {1, 1}},
      {.name = "same, strided: padded behind only",
       .x = {2, 6, 8, 3},
       .kernel = {3, 3, 3, 5},
       .strides = {2, 2},
       .after = {1, 1}},
      {.name = "1x1", .x = {3, 4, 5, 5}, .kernel = {1, 1, 5, 7}},
      {.name = "1x1, strided", .x = {2, 5, 7, 4}, .kernel = {1, 1, 4, 6}, .strides = {2, 3}},
      {.name = "dilated",
       .x = {2, 9, 8, 2},
       .kernel = {3, 2, 2, 3},
       .dilations = {2, 3},
       .before = {1, 0},
       .after = {2, 1}},
      {.name = "two groups",
       .x = {2, 6, 6, 4},
       .kernel = {3, 3, 2, 6},
       .before = {1, 1},
       .after = {1, 1},
       .groups = 2},
      {.name = "depthwise", .x = {2, 6, 5, 8}, .kernel = {3, 3, 1, 8}, .groups = 8},
      {.name = "depthwise, two outputs a channel",
       .x = {1, 6, 5, 3},
       .kernel = {2, 3, 1, 6},
       .after = {1, 0},
       .groups = 3},
      {.name = "depthwise, three outputs a channel, strided",
       .x = {2, 7, 8, 11},
       .kernel = {3, 3, 1, 33},
       .strides = {2, 3},
       .before = {1, 1},
       .after = {1, 2},
       .groups = 11},
      {.name = "depthwise, two outputs a channel, a long row",
       .x = {2, 1, 150, 20},
       .kernel = {1, 5, 1, 40},
       .dilations = {1, 3},
       .before = {0, 6},
       .after = {0, 6},
       .groups = 20},
      {.name = "depthwise, dilated",
       .x = {2, 9, 8, 35},
       .kernel = {3, 2, 1, 35},
       .dilations = {2, 3},
       .before = {2, 1},
       .after = {2, 2},
       .groups = 35},
      {.name = "depthwise, wide, strided",
       .x = {3, 11, 9, 20},
       .kernel = {5, 7, 1, 20},
       .strides = {3, 2},
       .before = {2, 3},
       .after = {1, 3},
       .groups = 20},
      {.name = "depthwise, taps on padding alone",
       .x = {1, 2, 5, 16},
       .kernel = {3, 3, 1, 16},
       .dilations = {3, 4},
       .before = {3, 4},
       .after = {3, 4},
       .groups = 16},
      {.name = "even kernel, same",
       .x = {2, 5, 7, 2},
       .kernel = {2, 4, 2, 3},
       .before = {0, 1},
       .after = {1, 2}},
      {.name = "kernel larger than the image",
       .x = {2, 3, 2, 2},
       .kernel = {5, 5, 2, 3},
       .before = {2, 2},
       .after = {2, 2}},
      {.name = "an output that sees padding alone",
       .x = {1, 4, 4, 2},
       .kernel = {2, 2, 2, 3},
       .before = {2, 3},
       .after = {2, 0}},
      {.name = "one row", .x = {2, 1, 9, 3}, .kernel = {1, 3, 3, 2}, .strides = {1, 2}},
      {.name = "kernel as large as the image", .x = {3, 4, 4, 3}, .kernel = {4, 4, 3, 5}},
      {.name = "odd channels", .x = {2, 5, 5, 17}, .kernel = {3, 3, 17, 19}},
      {.name = "first layer of a CNN", .x = {4, 28, 28, 1}, .kernel = {3, 3, 1, 32}},
      {.name = "second layer of a CNN", .x = {2, 9, 9, 32}, .kernel = {3, 3, 32, 64}},
  };
  return all;
}

bool is_large(const Convolution& c) { return c.y().elements() * c.kernel.elements() > 2'000'000; }

struct Tail {
  bool bias = false, relu = false;
};

OpCase forward(const Convolution& conv, Tail tail = {}) {
  OpCase c;
  c.name = format(conv.name, tail.bias ? ", bias" : "", tail.relu ? ", relu" : "");
  c.inputs = {uniform(conv.x), uniform(conv.kernel)};
  if (tail.bias) c.inputs.push_back(uniform({conv.kernel[3]}));
  c.build = [conv, tail](Graph&, std::span<const Value> in) {
    Value y = ops::conv2d(in[0], in[1], conv.attributes());
    if (tail.bias) y = ops::add(y, in[2]);
    if (tail.relu) y = ops::map(y, [](Expr v) { return graph::relu(v); });
    return std::vector{y};
  };
  c.reference = [conv, tail](const Tensors& in) -> Tensors {
    Values y(size(conv.y().elements()));
    for_each_tap(
        conv, [&](std::size_t to, std::size_t x, std::size_t k) { y[to] += in[0][x] * in[1][k]; });
    for (std::size_t i = 0; i < y.size(); ++i) {
      if (tail.bias) y[i] += in[2][i % in[2].size()];
      if (tail.relu) y[i] = std::fmax(y[i], 0.0);
    }
    return {y};
  };
  c.terms = static_cast<double>(conv.kernel.elements() / conv.kernel[3] + 1);
  c.gradient_terms = static_cast<double>(conv.y().elements());
  if (is_large(conv)) c.samples = 2;
  c.fused = {"conv2d"};
  c.sums_by_thread = true;
  return c;
}

OpCase backward_data(const Convolution& conv) {
  OpCase c;
  c.name = conv.name;
  c.inputs = {uniform(conv.y()), uniform(conv.kernel)};
  c.build = [conv](Graph&, std::span<const Value> in) {
    return std::vector{ops::conv2d_backward_data(in[0], in[1], conv.x, conv.attributes())};
  };
  c.reference = [conv](const Tensors& in) -> Tensors {
    Values dx(size(conv.x.elements()));
    for_each_tap(
        conv, [&](std::size_t dy, std::size_t x, std::size_t k) { dx[x] += in[0][dy] * in[1][k]; });
    return {dx};
  };
  c.terms = static_cast<double>(conv.kernel.elements() / conv.kernel[2]);
  c.gradient_terms = static_cast<double>(conv.x.elements());
  if (is_large(conv)) c.samples = 2;
  c.sums_by_thread = true;
  return c;
}

OpCase backward_weights(const Convolution& conv, bool bias) {
  OpCase c;
  c.name = format(conv.name, bias ? ", bias" : "");
  c.inputs = {uniform(conv.x), uniform(conv.y())};
  c.build = [conv, bias](Graph&, std::span<const Value> in) {
    auto attributes = conv.attributes();
    attributes.bias_gradient = bias;
    return ops::conv2d_backward_weights(in[0], in[1], conv.kernel, attributes);
  };
  c.reference = [conv, bias](const Tensors& in) -> Tensors {
    Tensors gradients{Values(size(conv.kernel.elements()))};
    for_each_tap(conv, [&](std::size_t dy, std::size_t x, std::size_t k) {
      gradients[0][k] += in[0][x] * in[1][dy];
    });
    if (!bias) return gradients;
    gradients.emplace_back(size(conv.kernel[3]));
    for (std::size_t i = 0; i < in[1].size(); ++i)
      gradients[1][i % gradients[1].size()] += in[1][i];
    return gradients;
  };
  c.terms = static_cast<double>(conv.y().elements() / conv.kernel[3]);
  c.differentiable_outputs = 0;
  c.sums_by_thread = true;
  return c;
}

}  // namespace

std::vector<OpCase> cases::conv2d_cases() {
  std::vector<OpCase> all;
  for (const Convolution& conv : convolutions()) {
    all.push_back(forward(conv));
    all.push_back(forward(conv, {.bias = true, .relu = true}));
  }
  all.push_back(forward(convolutions()[1], {.bias = true}));
  all.push_back(forward(convolutions()[1], {.relu = true}));
  return all;
}

std::vector<OpCase> cases::conv2d_backward_data_cases() {
  std::vector<OpCase> all;
  for (const Convolution& conv : convolutions()) all.push_back(backward_data(conv));
  return all;
}

std::vector<OpCase> cases::conv2d_backward_weights_cases() {
  std::vector<OpCase> all;
  for (const Convolution& conv : convolutions()) {
    all.push_back(backward_weights(conv, false));
    all.push_back(backward_weights(conv, true));
  }
  return all;
}

namespace {

TEST(Conv2D, sums_its_bias_gradient_while_it_makes_the_kernels) {
  for (const Tail tail : {Tail{.bias = true}, Tail{.bias = true, .relu = true}}) {
    const auto run = test::run_case(forward(convolutions()[1], tail), {.gradients = true});
    EXPECT_EQ(std::count(run.ops.begin(), run.ops.end(), "reduce"), 0) << run.dump;
    const auto line = run.dump.substr(run.dump.find("conv2d_backward_weights("));
    EXPECT_TRUE(test::contains(line.substr(0, line.find('\n')), " bias}")) << run.dump;
  }
}

// Only unfused: oneDNN's own relu, which a fused one is, makes 0 of NaN.
TEST(Conv2D, hands_nan_through_an_unfused_relu) {
  const OpCase c = forward(convolutions()[1], {.bias = true, .relu = true});
  Tensors inputs = test::draw_inputs(c);
  inputs[0][0] = std::nan("");
  const auto run = test::run_case(c, inputs, {.optimize = false});
  EXPECT_TRUE(std::isnan(run.outputs[0][0])) << run.outputs[0][0];
}

TEST(Conv2D, names_the_shapes_that_do_not_fit) {
  Graph graph;
  const auto leaf = [&](Shape shape) { return graph.leaf("x", {DType::float32, shape}, {}); };
  const graph::Scope scope(graph, {graph::Origin::Kind::layer, "Conv2D \"c\""});
  EXPECT_EQ(test::message_of<ShapeError>([&] {
              ops::conv2d(leaf({2, 3}), leaf({3, 3, 1, 8}), {});
            }),
            "Conv2D \"c\": conv2d: expected an image batch (batch, height, width, channels), "
            "received (2, 3)");
  EXPECT_EQ(test::message_of<ShapeError>([&] {
              ops::conv2d(leaf({2, 5, 5, 3}), leaf({3, 3, 1, 8}), {});
            }),
            "Conv2D \"c\": conv2d: channels of (2, 5, 5, 3) do not fit a kernel of (3, 3, 1, 8) in "
            "1 groups");
  EXPECT_EQ(test::message_of<ShapeError>([&] {
              ops::conv2d(leaf({2, 2, 5, 1}), leaf({3, 3, 1, 8}), {});
            }),
            "Conv2D \"c\": conv2d: kernel of 3x3 (dilated) does not fit an input of (2, 2, 5, 1)");
}

}  // namespace
}  // namespace stoker
