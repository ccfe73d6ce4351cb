// Op pad.
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

OpCase pad(const Shape& shape, const Shape& before, const Shape& after, float value = 0.0f) {
  OpCase c;
  c.name = format(shape, " before ", before, " after ", after, " value ", value);
  c.inputs = {cases::uniform(shape)};
  c.build = [=](Graph&, std::span<const Value> in) {
    return std::vector{ops::pad(in[0], before, after, value)};
  };
  c.reference = [=](const Tensors& in) -> Tensors {
    Shape padded = shape;
    for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
      padded[axis] += before[axis] + after[axis];
    }
    Values y(size(padded.elements()));
    for (std::size_t i = 0; i < y.size(); ++i) {
      const Shape index = multi_index(padded, static_cast<std::int64_t>(i));
      std::int64_t from = 0;
      bool is_inside = true;
      for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
        const std::int64_t at = index[axis] - before[axis];
        is_inside = is_inside && at >= 0 && at < shape[axis];
        from = from * shape[axis] + at;
      }
      y[i] = is_inside ? in[0][size(from)] : static_cast<double>(value);
    }
    return {y};
  };
  c.terms = 0.0;
  c.gradient_terms = 1.0;
  c.fused = {"pad"};
  return c;
}

}  // namespace

std::vector<OpCase> cases::pad_cases() {
  return {pad({5}, {2}, {3}),
          pad({5}, {0}, {1}, 1.5f),
          pad({2, 4, 3}, {0, 1, 0}, {0, 2, 0}),
          pad({2, 4, 8}, {0, 1, 0}, {0, 2, 0}, -2.0f),
          pad({2, 3, 4, 2}, {0, 1, 2, 0}, {0, 0, 1, 0}),
          pad({1, 3, 4, 2, 3}, {0, 1, 2, 0, 0}, {0, 3, 1, 1, 0}),
          pad({2, 3}, {1, 1}, {1, 1}, 0.25f),
          pad({30, 28, 28, 16}, {0, 1, 1, 0}, {0, 1, 1, 0})};
}

namespace {

TEST(Pad, by_nothing_is_no_op) {
  Graph graph;
  const Value x = graph.leaf("x", {DType::float32, {2, 3}}, {});
  EXPECT_EQ(ops::pad(x, {0, 0}, {0, 0}), x);
}

TEST(Pad, wants_a_number_before_and_after_each_axis) {
  Graph graph;
  const Value x = graph.leaf("x", {DType::float32, {Shape::kUnknown, 3}}, {});
  const auto message = [&](const Shape& before, const Shape& after) {
    return test::message_of<ShapeError>([&] { ops::pad(x, before, after); });
  };
  const std::string expected =
      "pad: expected a number of 0 or more before and after each known axis of (None, 3), "
      "received ";
  EXPECT_EQ(message({1}, {1}), expected + "(1,) and (1,)");
  EXPECT_EQ(message({1, 0}, {0, 0}), expected + "(1, 0) and (0, 0)");
}

TEST(Pad, stores_its_value_in_any_type) {
  EXPECT_EQ(ops::stored_bits(1.0f, DType::float32), 0x3f800000U);
  EXPECT_EQ(ops::stored_bits(1.0f, DType::bfloat16), 0x3f803f80U);
  EXPECT_EQ(ops::stored_bits(1.0f, DType::float16), 0x3c003c00U);
  EXPECT_EQ(ops::stored_bits(-1.0f, DType::int32), 0xffffffffU);
  EXPECT_EQ(ops::stored_bits(2.0f, DType::uint8), 0x02020202U);
}

}  // namespace
}  // namespace stoker
