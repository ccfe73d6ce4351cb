// Ops warp and warp_backward.
#include <gtest/gtest.h>

#include <cmath>

#include "core/format.h"
#include "ops/cases.h"
#include "stoker/error.h"
#include "support/message.h"

namespace stoker {
namespace {

using cases::OpCase;
using cases::size;
using cases::Tensors;
using cases::Values;
using graph::Graph;
using graph::Value;

struct Warped {
  std::int64_t batch, height, width, channels;
  std::int64_t to_height, to_width;
  bool is_linear;
  WarpFill fill;
};

// Transforms that look at no point between two pixels where rounding would decide: a turn, a shift
// far outside, a flip, and one in perspective.
const std::vector<Values>& transforms() {
  static const std::vector<Values> all{{0.8, -0.6, 2.317, 0.6, 0.8, -1.737, 0, 0},
                                       {1, 0, -9.2, 0, 1, 12.3, 0, 0},
                                       {-1, 0, 4.1, 0, -1, 3.2, 0, 0},
                                       {0.9, 0.2, 0.1, -0.1, 1.1, 0.3, 0.01, 0.02}};
  return all;
}

const std::vector<Warped>& all_warped() {
  using enum WarpFill;
  static const std::vector<Warped> all{
      {1, 1, 1, 1, 1, 1, true, constant}, {3, 5, 6, 2, 5, 6, true, constant},
      {4, 5, 6, 1, 5, 6, true, nearest},  {4, 4, 7, 3, 4, 7, true, wrap},
      {4, 6, 5, 2, 3, 8, true, reflect},  {4, 5, 6, 2, 5, 6, false, constant},
      {4, 5, 6, 2, 7, 4, false, reflect}, {2, 4, 5, 1, 4, 5, false, wrap},
      {2, 4, 5, 1, 4, 5, false, nearest}, {4, 33, 21, 3, 33, 21, true, reflect}};
  return all;
}

std::string name_of(const Warped& w) {
  return format(w.batch, " of ", w.height, "x", w.width, "x", w.channels, " to ", w.to_height, "x",
                w.to_width, w.is_linear ? " linear" : " nearest", ", fill ",
                static_cast<int>(w.fill));
}

Values transforms_of(const Warped& w) {
  Values values;
  for (std::int64_t n = 0; n < w.batch; ++n) {
    const Values& one = transforms()[size(n) % transforms().size()];
    values.insert(values.end(), one.begin(), one.end());
  }
  return values;
}

constexpr double kFill = 0.25;

ops::WarpAttributes attributes_of(const Warped& w) {
  ops::WarpAttributes attributes;
  attributes.height = w.to_height;
  attributes.width = w.to_width;
  attributes.is_linear = w.is_linear;
  attributes.fill = w.fill;
  attributes.fill_value = static_cast<float>(kFill);
  return attributes;
}

// Returns the place of a pixel, or -1. The mirror image has period 2n: abc|cba|abc.
std::int64_t inside(std::int64_t i, std::int64_t n, WarpFill fill) {
  if (fill == WarpFill::constant) return i >= 0 && i < n ? i : -1;
  if (fill == WarpFill::nearest) return std::min(std::max<std::int64_t>(i, 0), n - 1);
  const std::int64_t period = fill == WarpFill::wrap ? n : 2 * n;
  const std::int64_t within = ((i % period) + period) % period;
  return within < n ? within : period - 1 - within;
}

// Calls f(to, from, share) for each pixel of the result and each that it comes from; from is -1 for
// the fill value.
template <class F>
void for_each_pair(const Warped& w, const Values& by, const F& f) {
  for (std::int64_t n = 0; n < w.batch; ++n) {
    const double* t = &by[size(8 * n)];
    for (std::int64_t y = 0; y < w.to_height; ++y) {
      for (std::int64_t x = 0; x < w.to_width; ++x) {
        const auto at_x = static_cast<double>(x), at_y = static_cast<double>(y);
        const double k = t[6] * at_x + t[7] * at_y + 1.0;
        const double from_x = (t[0] * at_x + t[1] * at_y + t[2]) / k;
        const double from_y = (t[3] * at_x + t[4] * at_y + t[5]) / k;
        const double first_x = std::floor(w.is_linear ? from_x : from_x + 0.5);
        const double first_y = std::floor(w.is_linear ? from_y : from_y + 0.5);
        for (int i = 0; i < (w.is_linear ? 2 : 1); ++i) {
          for (int j = 0; j < (w.is_linear ? 2 : 1); ++j) {
            const double share = w.is_linear ? (1.0 - std::abs(from_x - first_x - j)) *
                                                   (1.0 - std::abs(from_y - first_y - i))
                                             : 1.0;
            const std::int64_t row =
                inside(static_cast<std::int64_t>(first_y) + i, w.height, w.fill);
            const std::int64_t column =
                inside(static_cast<std::int64_t>(first_x) + j, w.width, w.fill);
            for (std::int64_t c = 0; c < w.channels; ++c) {
              const std::int64_t from =
                  row < 0 || column < 0
                      ? -1
                      : ((n * w.height + row) * w.width + column) * w.channels + c;
              f(size(((n * w.to_height + y) * w.to_width + x) * w.channels + c), from, share);
            }
          }
        }
      }
    }
  }
}

cases::OpInput given_transforms(const Warped& w) {
  cases::OpInput input = cases::given({w.batch, 8}, transforms_of(w));
  input.differentiable = false;
  return input;
}

// Shares are differences of numbers up to the places that transforms reach.
double largest_number(const Warped& w) {
  return 2.0 * static_cast<double>(std::max(w.to_height, w.to_width)) + 16.0;
}

OpCase warp(const Warped& w) {
  OpCase c;
  c.name = name_of(w);
  c.inputs = {cases::uniform({w.batch, w.height, w.width, w.channels}), given_transforms(w)};
  c.build = [w](Graph&, std::span<const Value> in) {
    return std::vector{ops::warp(in[0], in[1], attributes_of(w))};
  };
  c.reference = [w](const Tensors& in) -> Tensors {
    Values y(size(w.batch * w.to_height * w.to_width * w.channels));
    for_each_pair(w, in[1], [&](std::size_t to, std::int64_t from, double share) {
      y[to] += share * (from < 0 ? kFill : in[0][size(from)]);
    });
    return {y};
  };
  c.terms = 8.0;
  c.magnitude = largest_number(w);
  c.gradient_magnitude = 4.0 * largest_number(w);
  return c;
}

OpCase warp_backward(const Warped& w) {
  OpCase c;
  c.name = name_of(w);
  c.inputs = {cases::uniform({w.batch, w.to_height, w.to_width, w.channels}), given_transforms(w)};
  c.build = [w](Graph& graph, std::span<const Value> in) {
    return graph.append(ops::op(ops::OpIndex::warp_backward), {in[0], in[1]},
                        std::make_shared<ops::WarpAttributes>(attributes_of(w)),
                        {{DType::float32, {w.batch, w.height, w.width, w.channels}}});
  };
  c.reference = [w](const Tensors& in) -> Tensors {
    Values dx(size(w.batch * w.height * w.width * w.channels));
    for_each_pair(w, in[1], [&](std::size_t to, std::int64_t from, double share) {
      if (from >= 0) dx[size(from)] += share * in[0][to];
    });
    return {dx};
  };
  c.terms = 8.0;
  c.magnitude = 8.0 * largest_number(w);
  c.differentiable_outputs = 0;
  return c;
}

}  // namespace

std::vector<OpCase> cases::warp_cases() {
  std::vector<OpCase> all;
  for (const Warped& w : all_warped()) all.push_back(warp(w));
  return all;
}

std::vector<OpCase> cases::warp_backward_cases() {
  std::vector<OpCase> all;
  for (const Warped& w : all_warped()) all.push_back(warp_backward(w));
  return all;
}

namespace {

TEST(Warp, wants_floating_images_and_a_transform_of_each) {
  Graph graph;
  const auto message = [&](DType dtype, Shape images, Shape by) {
    const Value x = graph.leaf("x", {dtype, images}, {});
    const Value t = graph.leaf("t", {DType::float32, by}, {});
    return test::message_of<ShapeError>([&] { ops::warp(x, t, {}); });
  };
  EXPECT_EQ(
      message(DType::uint8, {2, 3, 3, 1}, {2, 8}),
      "warp: expected floating images (batch, height, width, channels), received uint8 (2, 3, "
      "3, 1)");
  EXPECT_EQ(
      message(DType::float32, {2, 3, 3, 1}, {1, 8}),
      "warp: expected float32 transforms (batch, 8) for images (2, 3, 3, 1), received float32 "
      "(1, 8)");
  EXPECT_EQ(message(DType::float32, {2, 3, 3, 1}, {2, 8}),
            "warp: expected extents from 1 to 16777216, received 0");
}

// A point that is no number, or far away, is outside of the image.
TEST(Warp, looks_at_no_memory_outside_of_the_image) {
  for (const float at : {std::nanf(""), HUGE_VALF, -HUGE_VALF, 1e30f, -1e30f, 2147483648.0f}) {
    for (const WarpFill fill :
         {WarpFill::constant, WarpFill::nearest, WarpFill::wrap, WarpFill::reflect}) {
      for (const bool is_linear : {true, false}) {
        const WarpTaps taps = warp_taps({at, at}, 5, 7, is_linear, fill);
        for (int i = 0; i < 2; ++i) {
          EXPECT_LT(taps.rows[i], 5);
          EXPECT_LT(taps.columns[i], 7);
          EXPECT_GE(taps.rows[i], -1);
          EXPECT_GE(taps.columns[i], -1);
          EXPECT_TRUE(taps.of_rows[i] >= 0.0f && taps.of_rows[i] <= 1.0f);
        }
      }
    }
  }
}

}  // namespace
}  // namespace stoker
