// 16-bit values in plan/: the conversions around what a backend does not run in 16 bits, the
// rounding that stays when ops are fused, and gradients through conversions.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "ops/ops.h"
#include "plan/autodiff.h"
#include "plan/passes.h"
#include "plan/targets.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Graph;
using graph::Node;
using graph::Space;
using graph::Value;

Value leaf(Graph& graph, Shape shape, DType dtype, Space space = Space::input) {
  return graph.leaf("x", {dtype, shape}, {space, 0, 0});
}
Value tanh(Value x) {
  return ops::map(x, [](Expr v) { return graph::tanh(v); });
}
Value relu(Value x) {
  return ops::map(x, [](Expr v) { return graph::relu(v); });
}

// "matmul float32(2, 4)", a line a node.
std::string nodes(const Graph& graph) {
  std::string text;
  for (const Node& node : graph.nodes()) {
    text += node.op->name;
    if (node.attributes && !node.attributes->text().empty()) {
      text += " {" + node.attributes->text() + "}";
    }
    text += std::string(" ") + name_of(graph.info(node.outputs[0]).type.dtype) + '\n';
  }
  return text;
}
bool nothing(const Graph&, const Node&) { return false; }

TEST(Widen, converts_what_a_node_reads_and_writes) {
  Graph graph;
  const Value a = leaf(graph, {2, 3}, DType::bfloat16), b = leaf(graph, {3, 4}, DType::bfloat16);
  const Value y = ops::matmul(a, b);
  EXPECT_EQ(nodes(graph), "matmul bfloat16\n");
  plan::widen(graph, nothing);
  EXPECT_EQ(nodes(graph),
            "pointwise {x0} float32\npointwise {x0} float32\nmatmul float32\n"
            "pointwise {x0} bfloat16\n");
  EXPECT_EQ(graph.nodes().back().outputs[0], y.id);
  EXPECT_EQ(graph.info(y.id).node, 3);
}

TEST(Widen, leaves_what_the_backend_runs_itself) {
  Graph graph;
  ops::matmul(leaf(graph, {2, 3}, DType::float16), leaf(graph, {3, 4}, DType::float16));
  plan::widen(graph, [](const Graph&, const Node&) { return true; });
  EXPECT_EQ(nodes(graph), "matmul float16\n");
}

TEST(Widen, leaves_arithmetic_sums_views_and_float32) {
  Graph graph;
  const Value x = leaf(graph, {4, 4}, DType::bfloat16);
  ops::reduce_sum(ops::reshape(ops::slice(relu(x), 1, 0, 2), {8}), {0});
  const Value wide = leaf(graph, {4, 4}, DType::float32);
  ops::matmul(wide, wide);
  const std::string before = nodes(graph);
  plan::widen(graph, nothing);
  EXPECT_EQ(nodes(graph), before);
}

TEST(Widen, converts_only_what_is_narrow) {
  Graph graph;
  const Value x = leaf(graph, {6, 4}, DType::bfloat16);
  const Value scale = leaf(graph, {4}, DType::float32);
  const auto result = ops::batch_norm(x, scale, scale, 1e-3f);
  EXPECT_EQ(result.y.dtype(), DType::bfloat16);
  EXPECT_EQ(result.mean.dtype(), DType::float32);
  plan::widen(graph, nothing);
  EXPECT_EQ(nodes(graph),
            "pointwise {x0} float32\nbatch_norm {epsilon 0.001} float32\n"
            "pointwise {x0} bfloat16\n");
}

TEST(Widen, keeps_where_a_result_is_written) {
  Graph graph;
  const Value x = leaf(graph, {2, 2}, DType::float16);
  const Value y = ops::matmul(x, x);
  graph.place(y, {Space::copy, 0, 0});
  plan::widen(graph, nothing);
  const graph::ValueInfo& info = graph.info(graph.nodes().back().outputs[0]);
  EXPECT_EQ(info.home.space, Space::copy);
}

TEST(Fusing16Bits, still_rounds_what_is_no_longer_stored) {
  Graph graph;
  const Value y = relu(tanh(leaf(graph, {4}, DType::bfloat16)));
  plan::fuse_pointwise(graph, std::vector{y.id});
  EXPECT_EQ(nodes(graph), "pointwise {relu(to_bfloat16(tanh(x0)))} bfloat16\n");
}

TEST(Fusing16Bits, rounds_into_a_sum) {
  Graph graph;
  const Value sum = ops::reduce_sum(tanh(leaf(graph, {4}, DType::float16)), {0});
  EXPECT_EQ(sum.dtype(), DType::float32);
  plan::fuse_pointwise(graph, std::vector{sum.id});
  EXPECT_EQ(nodes(graph), "reduce {sum of to_float16(tanh(x0)) over axes 0} float32\n");
}

// Relu of a rounded number is the rounded relu: the rounding between them is not in the way.
TEST(Fusing16Bits, takes_a_bias_and_relu_into_a_product) {
  Graph graph;
  const Value a = leaf(graph, {2, 3}, DType::bfloat16), b = leaf(graph, {3, 4}, DType::bfloat16);
  const Value y = relu(ops::add(ops::matmul(a, b), leaf(graph, {4}, DType::bfloat16)));
  const std::vector keep{y.id};
  plan::fuse_pointwise(graph, keep);
  EXPECT_EQ(nodes(graph), "matmul bfloat16\npointwise {relu(to_bfloat16(add(x0, x1)))} bfloat16\n");
  test::fuse_product_tails(graph, keep);
  EXPECT_EQ(nodes(graph), "matmul {bias relu} bfloat16\n");
}

TEST(Fusing16Bits, takes_a_shortcut_and_relu_into_batch_norm_and_back) {
  Graph graph;
  const Value x = leaf(graph, {6, 4}, DType::bfloat16);
  const Value scale = leaf(graph, {4}, DType::float32);
  const Value y = relu(
      ops::add(ops::batch_norm(x, scale, scale, 1e-3f).y, leaf(graph, {6, 4}, DType::bfloat16)));
  // The result goes two ways.
  const Value loss =
      ops::add(ops::reduce_sum_all(tanh(y)), ops::reduce_sum_all(ops::multiply(y, y)));
  const Value dx = plan::differentiate(graph, loss, std::vector{x})[0];
  const std::vector keep{dx.id};
  plan::eliminate_dead_nodes(graph, keep);
  plan::fuse_pointwise(graph, keep);
  test::fuse_batch_norm_tails(graph, keep);
  test::fuse_batch_norm_gradients(graph, keep);
  const std::string fused = nodes(graph);
  EXPECT_NE(fused.find("batch_norm {epsilon 0.001 add relu} bfloat16\n"), std::string::npos)
      << fused;
}

TEST(Fusing16Bits, takes_a_bias_of_the_products_type_and_no_other) {
  for (const DType bias_type : {DType::float16, DType::float32}) {
    Graph graph;
    const Value a = leaf(graph, {2, 3}, DType::float16), b = leaf(graph, {3, 4}, DType::float16);
    const Value bias = leaf(graph, {4}, bias_type);
    const Value y = ops::add(ops::matmul(a, b), bias);
    test::fuse_product_tails(graph, std::vector{y.id});
    EXPECT_EQ(nodes(graph), bias_type == DType::float16
                                ? "matmul {bias} float16\n"
                                : "matmul float16\npointwise {add(x0, x1)} float32\n");
  }
}

TEST(Gradients16Bits, come_back_through_a_conversion_without_rounding) {
  Graph graph;
  const Value weight = leaf(graph, {4}, DType::float32, Space::parameter);
  const Value x = leaf(graph, {8, 4}, DType::bfloat16);
  // The gradient of a bias is a sum over rows, float32 as it leaves the sum.
  const Value y = ops::add(x, ops::cast(weight, DType::bfloat16));
  const Value loss = ops::reduce_sum_all(ops::to_float(relu(y)));
  const Value gradient = plan::differentiate(graph, loss, std::vector{weight})[0];
  EXPECT_EQ(gradient.dtype(), DType::float32);
  EXPECT_STREQ(graph.node(graph.info(gradient.id).node).op->name, "reduce");
}

TEST(Gradients16Bits, have_the_type_of_what_they_are_for_inside) {
  Graph graph;
  const Value x = leaf(graph, {2, 3}, DType::float16);
  const Value kernel = leaf(graph, {3, 4}, DType::float16, Space::copy);
  const Value loss = ops::reduce_sum_all(ops::to_float(tanh(ops::matmul(x, kernel))));
  plan::differentiate(graph, loss, std::vector{kernel});
  for (const Node& node : graph.nodes()) {
    if (std::string(node.op->name) != "matmul") continue;
    for (const auto input : node.inputs) EXPECT_EQ(graph.info(input).type.dtype, DType::float16);
  }
}

TEST(Gradients16Bits, start_from_the_seed) {
  Graph graph;
  const Value x = leaf(graph, {3}, DType::float32, Space::parameter);
  const Value scale = leaf(graph, {}, DType::float32, Space::scalar);
  const Value loss = ops::reduce_sum_all(x);
  plan::differentiate(graph, loss, std::vector{x}, scale);
  EXPECT_TRUE(std::any_of(graph.nodes().begin(), graph.nodes().end(),
                          [&](const Node& node) { return node.inputs == std::vector{scale.id}; }));
}

TEST(CommonType, is_that_of_all_floating_inputs_or_float32) {
  Graph graph;
  const Value bf16 = leaf(graph, {2}, DType::bfloat16), f16 = leaf(graph, {2}, DType::float16),
              f32 = leaf(graph, {2}, DType::float32), i32 = leaf(graph, {2}, DType::int32);
  EXPECT_EQ(ops::add(bf16, bf16).dtype(), DType::bfloat16);
  EXPECT_EQ(ops::add(bf16, i32).dtype(), DType::bfloat16);
  EXPECT_EQ(ops::add(bf16, f16).dtype(), DType::float32);
  EXPECT_EQ(ops::add(bf16, f32).dtype(), DType::float32);
  EXPECT_EQ(ops::add(i32, i32).dtype(), DType::float32);
}

}  // namespace
}  // namespace stoker
