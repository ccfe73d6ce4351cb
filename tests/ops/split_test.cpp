// Op split.
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
using graph::Graph;
using graph::Value;

OpCase split(Shape shape, std::int64_t axis, std::int64_t parts) {
  OpCase c;
  c.name = format(shape, " along ", axis, " into ", parts);
  c.inputs = {uniform(shape)};
  c.build = [=](Graph&, std::span<const Value> in) { return ops::split(in[0], axis, parts); };
  std::size_t block = 1;
  for (std::size_t d = size(axis); d < shape.rank(); ++d) block *= size(shape[d]);
  block /= size(parts);
  c.reference = [=](const Tensors& in) {
    Tensors all(size(parts));
    for (std::size_t i = 0; i < in[0].size(); ++i) all[i / block % size(parts)].push_back(in[0][i]);
    return all;
  };
  c.terms = 0.0;
  c.gradient_terms = 1.0;
  // Parts without a gradient count as zeros.
  c.differentiable_outputs = size(parts) - 1;
  return c;
}

}  // namespace

std::vector<OpCase> cases::split_cases() {
  return {split({6}, 0, 3), split({3, 4, 5}, 1, 4), split({2, 3, 8}, 2, 2),
          split({300, 28, 3}, 1, 28), split({5, 12}, 1, 4)};
}

namespace {

TEST(Split, wants_parts_of_one_extent) {
  Graph graph;
  const Value x = graph.leaf("x", {DType::float32, {2, 5}}, {});
  EXPECT_EQ(test::message_of<ShapeError>([&] { ops::split(x, 1, 2); }),
            "cannot split axis 1 of (2, 5) into 2 equal parts");
}

}  // namespace
}  // namespace stoker
