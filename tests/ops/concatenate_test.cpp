// Op concatenate.
#include <gtest/gtest.h>

#include "ops/cases.h"
#include "stoker/error.h"
#include "support/message.h"

namespace stoker {
namespace {

using cases::OpCase;
using cases::size;
using cases::Tensors;
using cases::uniform;
using cases::Values;
using graph::Graph;
using graph::Value;

// Inputs of shape [outer.., extents[i], inner..].
struct Parts {
  const char* name;
  Shape shape;
  std::int64_t axis;
  std::vector<std::int64_t> extents;
};

const std::vector<Parts>& parts() {
  static const std::vector<Parts> all{
      {"vectors", {0}, 0, {3, 1, 5}},
      {"rows", {0, 4}, 0, {2, 3}},
      {"columns of 16 bytes", {5, 0}, -1, {4, 8, 12}},
      {"columns of any number", {5, 0}, 1, {1, 2, 4}},
      {"the axis in the middle", {3, 0, 5}, 1, {2, 2}},
      {"images", {4, 6, 6, 0}, -1, {16, 8}},
      {"one input", {3, 0}, 1, {4}},
      {"as many inputs as a launch takes", {3, 0, 2}, 1, {1, 2, 3, 4, 5, 6, 7, 8}},
      {"more inputs than a launch takes",
       {6, 0},
       1,
       {4, 4, 4, 8, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 12, 3}},
      {"large", {700, 0, 12}, 1, {9, 30}},
  };
  return all;
}

OpCase concatenate(const Parts& p) {
  OpCase c;
  c.name = p.name;
  const auto rank = static_cast<std::int64_t>(p.shape.rank());
  const std::size_t axis = size(p.axis < 0 ? p.axis + rank : p.axis);
  std::size_t outer = 1, inner = 1;
  for (std::size_t d = 0; d < p.shape.rank(); ++d) {
    if (d != axis) (d < axis ? outer : inner) *= size(p.shape[d]);
  }
  std::vector<std::size_t> blocks;
  for (const std::int64_t extent : p.extents) {
    Shape shape = p.shape;
    shape[axis] = extent;
    c.inputs.push_back(uniform(shape));
    blocks.push_back(size(extent) * inner);
  }
  c.build = [axis = p.axis](Graph&, std::span<const Value> in) {
    return std::vector{ops::concatenate({in.begin(), in.end()}, axis)};
  };
  c.reference = [outer, blocks](const Tensors& in) -> Tensors {
    Values y;
    for (std::size_t o = 0; o < outer; ++o) {
      for (std::size_t i = 0; i < in.size(); ++i) {
        for (std::size_t k = 0; k < blocks[i]; ++k) y.push_back(in[i][o * blocks[i] + k]);
      }
    }
    return {y};
  };
  c.terms = 0.0;
  c.gradient_terms = 1.0;
  c.fused = {"concatenate"};
  return c;
}

}  // namespace

std::vector<OpCase> cases::concatenate_cases() {
  std::vector<OpCase> all;
  for (const Parts& p : parts()) all.push_back(concatenate(p));
  return all;
}

namespace {

TEST(Concatenate, adds_up_the_gradients_of_an_input_that_is_used_twice) {
  OpCase c;
  c.name = "twice";
  c.inputs = {uniform({7, 3})};
  c.build = [](Graph&, std::span<const Value> in) {
    const Value squares = ops::multiply(in[0], in[0]);
    return std::vector{ops::concatenate({in[0], squares, in[0]}, 1)};
  };
  c.reference = [](const Tensors& in) -> Tensors {
    Values y;
    for (std::size_t row = 0; row < 7; ++row) {
      for (const int part : {0, 1, 2}) {
        for (std::size_t k = 0; k < 3; ++k) {
          const double x = in[0][row * 3 + k];
          y.push_back(part == 1 ? x * x : x);
        }
      }
    }
    return {y};
  };
  test::check_forward(c);
  test::check_gradients(c);
  test::check_unfused(c);
}

TEST(Concatenate, names_shapes_that_differ_elsewhere) {
  Graph graph;
  const auto leaf = [&](Shape shape, DType dtype = DType::float32) {
    return graph.leaf("x", {dtype, shape}, {});
  };
  EXPECT_EQ(test::message_of<ShapeError>([&] {
              ops::concatenate({leaf({2, 3}), leaf({4, 3})}, -1);
            }),
            "expected inputs whose shapes differ only along axis -1, received (2, 3) and (4, 3)");
  EXPECT_EQ(test::message_of<ShapeError>([&] {
              ops::concatenate({leaf({2, 3}), leaf({2, 3, 1})}, 1);
            }),
            "expected inputs whose shapes differ only along axis 1, received (2, 3) and "
            "(2, 3, 1)");
  EXPECT_EQ(test::message_of<ShapeError>([&] {
              ops::concatenate({leaf({2, 3}), leaf({2, 3}, DType::int32)}, 1);
            }),
            "expected inputs of one dtype, received float32 and int32");
  EXPECT_EQ(test::message_of<ShapeError>([&] {
              ops::concatenate({leaf({2, 3})}, 2);
            }),
            "axis 2 is none of (2, 3)");
}

}  // namespace
}  // namespace stoker
