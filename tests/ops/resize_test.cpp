// Ops resize and resize_backward.
#include <gtest/gtest.h>

#include <algorithm>
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

struct Resized {
  Shape shape;
  std::int64_t axis, extent;
  bool is_linear;
};

// Extents of which no element of a nearest result lies between two, where rounding would decide.
const std::vector<Resized>& all_resized() {
  static const std::vector<Resized> all{
      {{5}, 0, 8, true},         {{5}, 0, 8, false},         {{2, 6, 3}, 1, 4, true},
      {{2, 6, 3}, 1, 4, false},  {{2, 3, 4, 2}, 1, 6, true}, {{2, 3, 5, 2}, 2, 9, false},
      {{3, 1}, -1, 4, true},     {{3, 7}, -1, 1, true},      {{3, 7}, -1, 1, false},
      {{2, 40, 30}, 1, 7, true}, {{2, 40, 30}, 1, 90, true}, {{2, 41, 30}, 1, 37, false}};
  return all;
}

std::size_t axis_of(const Resized& r) {
  return size(r.axis < 0 ? r.axis + static_cast<std::int64_t>(r.shape.rank()) : r.axis);
}
Shape resized(const Resized& r) {
  Shape shape = r.shape;
  shape[axis_of(r)] = r.extent;
  return shape;
}
std::string name_of(const Resized& r) {
  return format(r.shape, " axis ", r.axis, " to ", r.extent, r.is_linear ? " linear" : " nearest");
}

// Calls f(to, from, weight) for each pair of elements of which one gives to the other.
template <class F>
void for_each_pair(const Resized& r, const F& f) {
  const std::size_t axis = axis_of(r);
  std::size_t inner = 1, outer = 1;
  for (std::size_t d = 0; d < r.shape.rank(); ++d) {
    if (d < axis) outer *= size(r.shape[d]);
    if (d > axis) inner *= size(r.shape[d]);
  }
  const double from = static_cast<double>(r.shape[axis]);
  const double scale = from / static_cast<double>(r.extent);
  for (std::size_t o = 0; o < outer; ++o) {
    for (std::size_t i = 0; i < size(r.extent); ++i) {
      const double middle = (static_cast<double>(i) + 0.5) * scale;
      const double point = r.is_linear ? middle - 0.5 : std::floor(middle);
      const double below = std::floor(point);
      for (const double at : {below, below + 1}) {
        const double weight = 1.0 - std::abs(point - at);
        const auto k = static_cast<std::size_t>(std::clamp(at, 0.0, from - 1.0));
        for (std::size_t c = 0; c < inner; ++c) {
          f((o * size(r.extent) + i) * inner + c, (o * size(r.shape[axis]) + k) * inner + c,
            weight);
        }
      }
    }
  }
}

// A weight is the difference of numbers up to the extent, so it has their rounding errors.
double largest_number(const Resized& r) { return static_cast<double>(r.shape[axis_of(r)]); }

OpCase resize(const Resized& r) {
  OpCase c;
  c.name = name_of(r);
  c.inputs = {cases::uniform(r.shape)};
  c.build = [r](Graph&, std::span<const Value> in) {
    return std::vector{ops::resize(in[0], r.axis, r.extent, r.is_linear)};
  };
  c.reference = [r](const Tensors& in) -> Tensors {
    Values y(size(resized(r).elements()));
    for_each_pair(
        r, [&](std::size_t to, std::size_t from, double weight) { y[to] += weight * in[0][from]; });
    return {y};
  };
  c.terms = 4.0;
  c.magnitude = largest_number(r);
  c.gradient_magnitude = 4.0 * largest_number(r);
  c.fused = {"resize"};
  return c;
}

OpCase resize_backward(const Resized& r) {
  OpCase c;
  c.name = name_of(r);
  c.inputs = {cases::uniform(resized(r))};
  c.build = [r](Graph& graph, std::span<const Value> in) {
    auto attributes = std::make_shared<ops::ResizeAttributes>();
    attributes->axis = static_cast<std::int64_t>(axis_of(r));
    attributes->extent = r.extent;
    attributes->is_linear = r.is_linear;
    return graph.append(ops::op(ops::OpIndex::resize_backward), {in[0]}, attributes,
                        {{DType::float32, r.shape}});
  };
  c.reference = [r](const Tensors& in) -> Tensors {
    Values dx(size(r.shape.elements()));
    for_each_pair(r, [&](std::size_t from, std::size_t to, double weight) {
      dx[to] += weight * in[0][from];
    });
    return {dx};
  };
  c.terms = 4.0;
  c.magnitude = 4.0 * largest_number(r);
  c.differentiable_outputs = 0;
  return c;
}

}  // namespace

std::vector<OpCase> cases::resize_cases() {
  std::vector<OpCase> all;
  for (const Resized& r : all_resized()) all.push_back(resize(r));
  return all;
}

std::vector<OpCase> cases::resize_backward_cases() {
  std::vector<OpCase> all;
  for (const Resized& r : all_resized()) all.push_back(resize_backward(r));
  return all;
}

namespace {

TEST(Resize, to_the_same_extent_is_no_op) {
  Graph graph;
  const Value x = graph.leaf("x", {DType::float32, {2, 3}}, {});
  EXPECT_EQ(ops::resize(x, 1, 3, true), x);
}

TEST(Resize, wants_floating_inputs_and_extents_that_it_can_count) {
  Graph graph;
  const auto message = [&](DType dtype, std::int64_t extent) {
    const Value x = graph.leaf("x", {dtype, {2, 3}}, {});
    return test::message_of<ShapeError>([&] { ops::resize(x, 1, extent, true); });
  };
  EXPECT_EQ(message(DType::uint8, 2), "resize: expected a floating input, received uint8");
  EXPECT_EQ(message(DType::float32, 0),
            "resize: expected extents from 1 to 16777216, received 3 and 0");
}

}  // namespace
}  // namespace stoker
