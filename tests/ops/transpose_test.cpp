// Op transpose.
#include <gtest/gtest.h>

#include "core/format.h"
#include "core/multi_index.h"
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
using Order = std::vector<std::int64_t>;

OpCase transpose(const Shape& shape, const Order& order) {
  OpCase c;
  c.name = format(shape, " in order ", Shape(order));
  c.inputs = {cases::uniform(shape)};
  c.build = [order](Graph&, std::span<const Value> in) {
    return std::vector{ops::transpose(in[0], order)};
  };
  c.reference = [shape, order](const Tensors& in) -> Tensors {
    Shape to;
    for (const std::int64_t axis : order) to.push_back(shape[size(axis)]);
    Values y(in[0].size());
    for (std::size_t i = 0; i < y.size(); ++i) {
      const Shape index = multi_index(to, static_cast<std::int64_t>(i));
      std::int64_t from = 0;
      for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
        std::size_t at = 0;
        while (size(order[at]) != axis) ++at;
        from = from * shape[axis] + index[at];
      }
      y[i] = in[0][size(from)];
    }
    return {y};
  };
  c.terms = 0.0;
  c.gradient_terms = 1.0;
  c.fused = {"transpose"};
  return c;
}

}  // namespace

std::vector<OpCase> cases::transpose_cases() {
  return {transpose({3, 4}, {1, 0}),
          transpose({1, 5}, {1, 0}),
          transpose({2, 3, 4}, {0, 2, 1}),
          transpose({2, 3, 4}, {2, 1, 0}),
          transpose({2, 3, 4}, {1, 0, 2}),
          transpose({2, 3, 8}, {1, 0, 2}),
          transpose({2, 3, 4, 5}, {0, 3, 1, 2}),
          transpose({2, 1, 4, 1, 3}, {4, 2, 1, 0, 3}),
          transpose({70, 33}, {1, 0}),
          transpose({3, 65, 5, 40}, {0, 3, 2, 1}),
          transpose({200, 9, 50}, {2, 0, 1}),
          transpose({2, 2, 3, 2, 2, 2, 3, 2}, {7, 5, 3, 1, 6, 4, 2, 0})};
}

namespace {

TEST(Transpose, in_the_same_order_is_no_op) {
  Graph graph;
  const Value x = graph.leaf("x", {DType::float32, {2, 3}}, {});
  EXPECT_EQ(ops::transpose(x, {0, 1}), x);
  EXPECT_EQ(ops::transpose(x, {0, -1}), x);
}

TEST(Transpose, wants_each_axis_once) {
  Graph graph;
  const Value x = graph.leaf("x", {DType::float32, {2, 3}}, {});
  const auto message = [&](const Order& order) {
    return test::message_of<ShapeError>([&] { ops::transpose(x, order); });
  };
  EXPECT_EQ(message({1, 1}), "transpose: expected each axis of (2, 3) once, received (1, 1)");
  EXPECT_EQ(message({0}), "transpose: expected each axis of (2, 3) once, received (0,)");
  EXPECT_EQ(message({0, 2}), "axis 2 is none of (2, 3)");
}

TEST(Transpose, is_moved_with_as_few_axes_as_it_takes) {
  const auto merged = ops::merged_transpose({2, 3, 1, 4, 5}, {3, 4, 2, 0, 1});
  EXPECT_EQ(merged.extents, (Shape{20, 6}));
  EXPECT_EQ(merged.strides, (Shape{1, 20}));
}

}  // namespace
}  // namespace stoker
