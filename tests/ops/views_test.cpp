// Ops reshape, slice and slice_backward.
#include <gtest/gtest.h>

#include "core/format.h"
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
using graph::Expr;
using graph::Graph;
using graph::Value;

OpCase view(const Shape& from, const Shape& to) {
  OpCase c;
  c.name = to_string(from) + " as " + to_string(to);
  c.inputs = {uniform(from)};
  c.build = [to](Graph&, std::span<const Value> in) {
    return std::vector{ops::reshape(in[0], to)};
  };
  c.reference = [](const Tensors& in) { return in; };
  c.terms = 0.0;
  c.gradient_terms = 1.0;
  c.fused = {"reshape"};
  return c;
}

// A view between two computations: of memory of the arena, read as both shapes.
OpCase view_between(const Shape& from, const Shape& to) {
  OpCase c = view(from, to);
  c.name += " between others";
  c.build = [to](Graph&, std::span<const Value> in) {
    const Value doubled = ops::map(in[0], [](Expr x) { return x * 2.0f; });
    const Value seen = ops::map(ops::reshape(doubled, to), [](Expr x) { return x + x * x; });
    return std::vector{seen, ops::map(doubled, [](Expr x) { return x * x * x; })};
  };
  c.reference = [](const Tensors& in) -> Tensors {
    Tensors out(2);
    for (const double x : in[0]) {
      out[0].push_back(2.0 * x + 4.0 * x * x);
      out[1].push_back(8.0 * x * x * x);
    }
    return out;
  };
  c.differentiable_outputs = 2;
  c.terms = 8.0;
  c.gradient_terms = 8.0;
  c.magnitude = 8.0;
  c.gradient_magnitude = 50.0;
  c.fused.clear();
  return c;
}

struct Part {
  Shape shape;
  std::int64_t axis, begin, extent;
};

const std::vector<Part>& parts() {
  static const std::vector<Part> all{
      {{6}, 0, 2, 3},       {{5, 4}, 0, 1, 2},    {{5, 4}, 1, 3, 1},       {{5, 4}, -1, 0, 3},
      {{2, 3, 4}, 1, 1, 2}, {{2, 3, 4}, 2, 0, 4}, {{300, 5, 70}, 1, 1, 3}, {{4, 1, 3}, 1, 0, 1}};
  return all;
}

std::size_t axis_of(const Part& p) {
  return size(p.axis < 0 ? p.axis + static_cast<std::int64_t>(p.shape.rank()) : p.axis);
}
Shape shape_of(const Part& p) {
  Shape shape = p.shape;
  shape[axis_of(p)] = p.extent;
  return shape;
}

// Calls f with the index in the whole and in the part of every element of the part.
template <class F>
void for_each_element(const Part& p, const F& f) {
  const std::size_t axis = axis_of(p);
  std::size_t inner = 1;
  for (std::size_t d = axis + 1; d < p.shape.rank(); ++d) inner *= size(p.shape[d]);
  const std::size_t whole = size(p.shape[axis]) * inner, part = size(p.extent) * inner;
  const std::size_t count = size(shape_of(p).elements());
  for (std::size_t i = 0; i < count; ++i) {
    f(i / part * whole + size(p.begin) * inner + i % part, i);
  }
}

std::string name_of(const Part& p) {
  return format(p.shape, " axis ", p.axis, " from ", p.begin, ", ", p.extent);
}

OpCase slice(const Part& p) {
  OpCase c;
  c.name = name_of(p);
  c.inputs = {uniform(p.shape)};
  c.build = [p](Graph&, std::span<const Value> in) {
    return std::vector{ops::slice(in[0], p.axis, p.begin, p.extent)};
  };
  c.reference = [p](const Tensors& in) -> Tensors {
    Values y(size(shape_of(p).elements()));
    for_each_element(p, [&](std::size_t from, std::size_t to) { y[to] = in[0][from]; });
    return {y};
  };
  c.terms = 0.0;
  c.gradient_terms = 1.0;
  c.fused = {"slice"};
  return c;
}

OpCase slice_backward(const Part& p) {
  OpCase c;
  c.name = name_of(p);
  c.inputs = {uniform(shape_of(p))};
  c.build = [p](Graph& graph, std::span<const Value> in) {
    auto attributes = std::make_shared<ops::SliceAttributes>();
    attributes->axis = static_cast<std::int64_t>(axis_of(p));
    attributes->begin = p.begin;
    attributes->extent = p.extent;
    return graph.append(ops::op(ops::OpIndex::slice_backward), {in[0]}, attributes,
                        {{DType::float32, p.shape}});
  };
  c.reference = [p](const Tensors& in) -> Tensors {
    Values dx(size(p.shape.elements()));
    for_each_element(p, [&](std::size_t to, std::size_t from) { dx[to] = in[0][from]; });
    return {dx};
  };
  c.terms = 0.0;
  c.differentiable_outputs = 0;
  return c;
}

}  // namespace

std::vector<OpCase> cases::reshape_cases() {
  return {view({6}, {2, 3}),          view({2, 3}, {6}),
          view({4, 5, 3}, {4, 15}),   view({1}, {}),
          view({2, 3, 1}, {1, 3, 2}), view_between({4, 6}, {2, 12}),
          view_between({5}, {5, 1})};
}

std::vector<OpCase> cases::slice_cases() {
  std::vector<OpCase> all;
  for (const Part& p : parts()) all.push_back(slice(p));
  return all;
}

std::vector<OpCase> cases::slice_backward_cases() {
  std::vector<OpCase> all;
  for (const Part& p : parts()) all.push_back(slice_backward(p));
  return all;
}

namespace {

TEST(Reshape, to_the_same_shape_is_no_op) {
  Graph graph;
  const Value x = graph.leaf("x", {DType::float32, {2, 3}}, {});
  EXPECT_EQ(ops::reshape(x, {2, 3}), x);
}

TEST(Reshape, names_shapes_of_different_sizes) {
  Graph graph;
  const Value x = graph.leaf("x", {DType::float32, {2, 3}}, {});
  const graph::Scope scope(graph, {graph::Origin::Kind::layer, "Reshape \"r\""});
  EXPECT_EQ(test::message_of<ShapeError>([&] {
              ops::reshape(x, {4, 2});
            }),
            "Reshape \"r\": cannot reshape (2, 3) to (4, 2): the numbers of elements differ");
}

TEST(Slice, adds_up_the_gradients_of_parts_that_overlap) {
  OpCase c;
  c.name = "overlapping";
  c.inputs = {uniform({7, 3})};
  c.build = [](Graph&, std::span<const Value> in) {
    return std::vector{ops::add(ops::slice(in[0], 0, 0, 5), ops::slice(in[0], 0, 2, 5))};
  };
  c.reference = [](const Tensors& in) -> Tensors {
    Values y;
    for (std::size_t i = 0; i < 15; ++i) y.push_back(in[0][i] + in[0][i + 6]);
    return {y};
  };
  test::check_forward(c);
  test::check_gradients(c);
  test::check_unfused(c);
}

TEST(Slice, names_a_part_that_does_not_lie_within) {
  Graph graph;
  const Value x = graph.leaf("x", {DType::float32, {2, 3}}, {});
  EXPECT_EQ(test::message_of<ShapeError>([&] { ops::slice(x, 1, 2, 2); }),
            "slice [2, 4) of axis 1 does not lie within (2, 3)");
}

}  // namespace
}  // namespace stoker
