// Op constant.
#include <gtest/gtest.h>

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

std::vector<float> numbers(const Shape& shape) {
  std::vector<float> values(size(shape.elements()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.25f * static_cast<float>(i) - 3.0f;
  return values;
}

// An input plus a constant, which broadcasts to it.
OpCase plus_constant(const Shape& input, const Shape& shape) {
  OpCase c;
  c.name = to_string(input) + " plus " + to_string(shape);
  c.inputs = {cases::uniform(input)};
  c.build = [shape](Graph& graph, std::span<const Value> in) {
    return std::vector{ops::add(in[0], ops::constant(graph, shape, numbers(shape)))};
  };
  c.reference = [input, shape](const Tensors& in) -> Tensors {
    const std::vector<float> values = numbers(shape);
    Values y = in[0];
    for (std::size_t i = 0; i < y.size(); ++i) {
      y[i] += static_cast<double>(values[test::broadcast_index(shape, input, i)]);
    }
    return {y};
  };
  c.terms = 2.0;
  c.magnitude = 1000.0;
  c.gradient_terms = 4.0;
  return c;
}

}  // namespace

std::vector<OpCase> cases::constant_cases() {
  return {plus_constant({3}, {3}), plus_constant({2, 5}, {1, 5}), plus_constant({4, 2, 3}, {2, 1}),
          plus_constant({1300}, {1300}), plus_constant({2, 2}, {})};
}

namespace {

TEST(Constant, wants_a_number_for_each_element) {
  Graph graph;
  EXPECT_EQ(test::message_of<ShapeError>([&] {
              ops::constant(graph, {2, 3}, {1.0f});
            }),
            "constant: expected 6 numbers for (2, 3), received 1");
}

TEST(Constant, texts_tell_long_ones_apart) {
  ops::ConstantAttributes a, b;
  a.values = b.values = std::vector<float>(100, 1.0f);
  b.values.back() = 2.0f;
  EXPECT_NE(a.text(), b.text());
}

}  // namespace
}  // namespace stoker
