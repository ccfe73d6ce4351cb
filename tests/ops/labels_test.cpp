// Ops one_hot and argmax.
#include <gtest/gtest.h>

#include <algorithm>

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

OpCase one_hot(Shape labels, std::int64_t classes) {
  OpCase c;
  c.name = format(labels, " in ", classes);
  c.inputs = {cases::whole(labels, DType::int32, 0, static_cast<double>(classes - 1))};
  c.build = [classes](Graph&, std::span<const Value> in) {
    return std::vector{ops::one_hot(in[0], classes)};
  };
  c.reference = [classes](const Tensors& in) -> Tensors {
    Values y(in[0].size() * size(classes));
    for (std::size_t i = 0; i < in[0].size(); ++i) {
      y[i * size(classes) + static_cast<std::size_t>(in[0][i])] = 1.0;
    }
    return {y};
  };
  c.terms = 0.0;
  c.differentiable_outputs = 0;
  return c;
}

OpCase argmax(const char* name, test::OpInput x) {
  OpCase c;
  c.name = name;
  const std::size_t columns = size(x.shape.back());
  c.inputs = {std::move(x)};
  c.build = [](Graph&, std::span<const Value> in) { return std::vector{ops::argmax(in[0])}; };
  c.reference = [columns](const Tensors& in) -> Tensors {
    Values y;
    for (std::size_t i = 0; i < in[0].size(); i += columns) {
      const auto row = in[0].begin() + static_cast<std::ptrdiff_t>(i);
      const auto top = std::max_element(row, row + static_cast<std::ptrdiff_t>(columns));
      y.push_back(static_cast<double>(top - row));
    }
    return {y};
  };
  c.terms = 0.0;
  c.magnitude = 0.0;
  c.differentiable_outputs = 0;
  return c;
}

}  // namespace

std::vector<OpCase> cases::one_hot_cases() {
  return {one_hot({5}, 3), one_hot({2, 3}, 4), one_hot({}, 6), one_hot({3}, 1),
          one_hot({20000}, 10)};
}

std::vector<OpCase> cases::argmax_cases() {
  return {argmax("rows", spread({7, 10})),
          argmax("vector", spread({9})),
          argmax("rank 3", spread({2, 3, 17})),
          argmax("one column", spread({4, 1})),
          argmax("many rows", spread({20000, 10})),
          argmax("equals: the first", given({2, 4}, {1, 3, 3, 2, 0, 0, 0, 0}))};
}

namespace {

TEST(OneHot, records_a_label_outside_of_the_classes) {
  OpCase c = one_hot({4}, 3);
  c.inputs = {cases::given({4}, {1, 3, -1, 2}, DType::int32)};
  const auto run = test::run_case(c);
  EXPECT_EQ(run.scalars.error, plan::StepError::label_out_of_range);
  EXPECT_EQ(run.scalars.error_row, 1);
  EXPECT_EQ(run.scalars.error_detail, 3);
  EXPECT_EQ(run.outputs[0], (Values{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
}

TEST(OneHot, wants_class_numbers) {
  Graph graph;
  const Value x = graph.leaf("x", {DType::float32, {3}}, {});
  EXPECT_EQ(test::message_of<DTypeError>([&] { ops::one_hot(x, 3); }),
            "expected labels of int32, received float32");
}

TEST(Argmax, wants_an_axis) {
  Graph graph;
  const Value x = graph.leaf("x", {DType::float32, {}}, {});
  EXPECT_EQ(test::message_of<ShapeError>([&] { ops::argmax(x); }),
            "argmax: expected at least one axis, received ()");
}

}  // namespace
}  // namespace stoker
