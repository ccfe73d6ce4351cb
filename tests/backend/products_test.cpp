// Products that run in bfloat16 where the processor has instructions for them: each against the
// same one in float32, on the same numbers, which are bfloat16's already. What is left is the
// rounding of the result, and float32 sums in another order. On other processors none may run so.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/runtime/dnn.h"
#include "backend/node_run.h"
#include "stoker/dtype.h"

namespace stoker {
namespace {

using graph::Graph;
using graph::Value;
using test::NodeRun;

struct Case {
  std::string name;
  std::vector<Shape> inputs;
  std::function<void(Graph&, const std::vector<Value>&)> build;
  // Whether it runs in bfloat16 where there are instructions; unset: as oneDNN has it.
  std::optional<bool> native = true;
};

ops::Conv2DAttributes convolution(std::int64_t stride = 1, std::int64_t groups = 1,
                                  std::int64_t padding = 1) {
  ops::Conv2DAttributes a;
  a.strides = {stride, stride};
  a.padding_before = a.padding_after = {padding, padding};
  a.groups = groups;
  return a;
}

Case matmul(const std::string& name, Shape a, Shape b, bool transpose_a, bool transpose_b) {
  return {name, {a, b}, [=](Graph&, const std::vector<Value>& in) {
            ops::matmul(in[0], in[1], transpose_a, transpose_b);
          }};
}
Case forward(const std::string& name, Shape x, Shape kernel, ops::Conv2DAttributes a) {
  return {name, {x, kernel}, [=](Graph&, const std::vector<Value>& in) {
            ops::conv2d(in[0], in[1], a);
          }};
}
Case backward_data(const std::string& name, Shape dy, Shape kernel, Shape x,
                   ops::Conv2DAttributes a) {
  return {name, {dy, kernel}, [=](Graph&, const std::vector<Value>& in) {
            ops::conv2d_backward_data(in[0], in[1], x, a);
          }};
}
Case backward_weights(const std::string& name, Shape x, Shape dy, Shape kernel,
                      ops::Conv2DAttributes a) {
  return {name, {x, dy}, [=](Graph&, const std::vector<Value>& in) {
            ops::conv2d_backward_weights(in[0], in[1], kernel, a);
          }};
}

std::vector<Case> cases() {
  const auto padded = convolution();
  const auto strided = convolution(2);
  const auto unpadded = convolution(1, 1, 0);
  const auto two_groups = convolution(1, 2);
  const auto depthwise = convolution(1, 16);
  Case tiny = matmul("matmul, tiny", {4, 5}, {5, 6}, false, false);
  tiny.native = false;  // our own loops are faster
  std::vector<Case> all{
      matmul("matmul", {33, 70}, {70, 45}, false, false),
      matmul("matmul, a transposed", {70, 33}, {70, 45}, true, false),
      matmul("matmul, b transposed", {33, 70}, {45, 70}, false, true),
      tiny,
      forward("forward", {2, 9, 9, 16}, {3, 3, 16, 24}, padded),
      forward("forward, strided", {2, 9, 9, 16}, {3, 3, 16, 24}, strided),
      forward("forward, 1x1", {2, 9, 9, 32}, {1, 1, 32, 16}, unpadded),
      backward_data("data", {2, 9, 9, 24}, {3, 3, 16, 24}, {2, 9, 9, 16}, padded),
      backward_weights("weights", {2, 9, 9, 16}, {2, 9, 9, 24}, {3, 3, 16, 24}, padded),
      backward_weights("weights, strided", {2, 9, 9, 16}, {2, 5, 5, 24}, {3, 3, 16, 24}, strided),
      backward_data("data, strided", {2, 5, 5, 24}, {3, 3, 16, 24}, {2, 9, 9, 16}, strided)};
  // Of these it depends on the processor too.
  const std::size_t native = all.size() - 1;
  for (const std::int64_t c : {1, 2, 3, 4, 8, 15, 20}) {
    const std::string channels = ", channels: " + std::to_string(c);
    const Shape x{2, 12, 12, c}, kernel{3, 3, c, 33}, y{2, 12, 12, 33};
    all.push_back(forward("forward" + channels, x, kernel, padded));
    all.push_back(backward_data("data" + channels, y, kernel, x, padded));
    all.push_back(backward_weights("weights" + channels, x, y, kernel, padded));
  }
  const Shape x{2, 9, 9, 16};
  for (const auto& [groups, a] :
       {std::pair(", in groups", two_groups), {", depthwise", depthwise}}) {
    const Shape kernel{3, 3, 16 / a.groups, 16};
    all.push_back(forward(std::string("forward") + groups, x, kernel, a));
    all.push_back(backward_data(std::string("data") + groups, x, kernel, x, a));
    all.push_back(backward_weights(std::string("weights") + groups, x, x, kernel, a));
  }
  for (std::size_t i = native; i < all.size(); ++i) all[i].native.reset();
  return all;
}

std::vector<float> as_floats(const std::vector<bfloat16>& values) {
  std::vector<float> floats;
  for (const bfloat16 value : values) floats.push_back(float(value));
  return floats;
}

// The node's first result on numbers of bfloat16, stored as `dtype`. None where it does not run so.
std::optional<std::vector<float>> result(const Case& c, DType dtype) {
  Graph graph;
  std::vector<Value> inputs;
  for (const Shape& shape : c.inputs) {
    inputs.push_back(graph.leaf("x", {dtype, shape}, {graph::Space::input, 0, 0}));
  }
  c.build(graph, inputs);
  const bool narrow = dtype == DType::bfloat16;
  if (narrow) {
    const bool runs = backend::cpu::runs_in_bfloat16(graph, graph.nodes().back());
    EXPECT_EQ(runs, backend::cpu::has_bfloat16_products() && c.native.value_or(runs));
    if (!runs) return {};
  }
  NodeRun run(graph);
  std::uint32_t seed = 1;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto drawn = test::noise(static_cast<std::size_t>(c.inputs[i].elements()), 1.0f, ++seed);
    std::vector<bfloat16> rounded;
    for (const float value : drawn) rounded.emplace_back(value);
    if (narrow) {
      run.set(inputs[i], rounded);
    } else {
      run.set(inputs[i], as_floats(rounded));
    }
  }
  run.run();
  const Value y{&graph, graph.nodes().back().outputs[0]};
  return narrow ? as_floats(run.get<bfloat16>(y)) : run.get(y);
}

TEST(Products, run_in_bfloat16_where_the_processor_can) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const auto narrow = result(c, DType::bfloat16);
    if (!narrow) continue;
    const auto wide = result(c, DType::float32);
    ASSERT_EQ(narrow->size(), wide->size());
    std::size_t wrong = 0;
    std::string first;
    for (std::size_t i = 0; i < wide->size(); ++i) {
      // Sums of at most a few hundred products of numbers below 1.
      const float is = (*narrow)[i], should = (*wide)[i];
      if (std::abs(is - should) <= 0x1p-8 * std::abs(should) + 2e-5) continue;
      if (wrong++ > 0) continue;
      first = std::to_string(i) + ": " + std::to_string(is) + ", not " + std::to_string(should);
    }
    EXPECT_EQ(wrong, 0U) << "of " << wide->size() << " elements, the first " << first;
  }
}

// On every processor.
TEST(Products, of_other_types_are_not_taken_for_bfloat16) {
  for (const DType dtype : {DType::float32, DType::float16}) {
    Graph graph;
    const Value x = graph.leaf("x", {dtype, {64, 64}}, {graph::Space::input, 0, 0});
    ops::matmul(x, x);
    EXPECT_FALSE(backend::cpu::runs_in_bfloat16(graph, graph.nodes().back()));
  }
}

}  // namespace
}  // namespace stoker
