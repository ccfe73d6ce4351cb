// Differentiating graphs. What each op's own gradient is worth, tests/ops says.
#include <gtest/gtest.h>

#include <cmath>

#include "ops/ops.h"
#include "plan/autodiff.h"
#include "stoker/error.h"
#include "support/message.h"
#include "support/op_harness.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Graph;
using graph::Value;
using test::OpCase;
using test::Tensors;

Value leaf(Graph& graph, Shape shape, DType dtype = DType::float32) {
  return graph.leaf("x", {dtype, shape}, {graph::Space::parameter, 0, 0});
}

TEST(Differentiate, adds_up_the_gradients_of_a_value_that_is_used_twice) {
  OpCase c;
  c.name = "one value, a product and two sums";
  c.inputs = {{.shape = {4, 4}}, {.shape = {4, 4}}};
  c.build = [](Graph&, std::span<const Value> in) {
    const Value bent = ops::map(in[0], [](Expr x) { return graph::tanh(x); });
    const Value squared = ops::matmul(bent, bent, false, true);
    return std::vector{ops::add(ops::add(squared, bent), ops::multiply(in[0], in[1]))};
  };
  c.reference = [](const Tensors& in) -> Tensors {
    test::Values y(16);
    for (std::size_t i = 0; i < 4; ++i) {
      for (std::size_t j = 0; j < 4; ++j) {
        double& to = y[i * 4 + j];
        to = std::tanh(in[0][i * 4 + j]) + in[0][i * 4 + j] * in[1][i * 4 + j];
        for (std::size_t k = 0; k < 4; ++k) {
          to += std::tanh(in[0][i * 4 + k]) * std::tanh(in[0][j * 4 + k]);
        }
      }
    }
    return {y};
  };
  c.magnitude = 5.0;
  c.gradient_magnitude = 12.0;
  test::check_forward(c);
  test::check_gradients(c);
  test::check_unfused(c);
}

TEST(Differentiate, gives_no_gradient_of_a_leaf_that_the_loss_does_not_reach) {
  Graph graph;
  const Value x = leaf(graph, {3}), apart = leaf(graph, {3});
  ops::reduce_sum_all(ops::multiply(apart, x));  // nobody reads it
  const Value loss = ops::reduce_sum_all(x);
  const Value leaves[] = {x, apart};
  const auto gradients = plan::differentiate(graph, loss, leaves);
  EXPECT_TRUE(gradients[0]);
  EXPECT_EQ(gradients[0].shape(), x.shape());
  EXPECT_FALSE(gradients[1]);
}

TEST(Differentiate, differentiates_nothing_that_leads_to_no_leaf) {
  Graph graph;
  const Value data = leaf(graph, {3, 4}), weight = leaf(graph, {4, 2});
  const Value loss = ops::reduce_sum_all(ops::matmul(data, weight));
  const std::size_t before = graph.nodes().size();
  const Value leaves[] = {weight};
  plan::differentiate(graph, loss, leaves);
  std::size_t products = 0;
  for (std::size_t i = before; i < graph.nodes().size(); ++i) {
    const graph::Node& node = graph.nodes()[i];
    if (node.op->index != static_cast<int>(ops::OpIndex::matmul)) continue;
    // The rule of matmul appends both products; the pass for dead nodes drops the other one.
    products += graph.info(node.outputs[0]).type.shape == weight.shape() ? 1 : 0;
  }
  EXPECT_EQ(products, 1U);
}

TEST(Differentiate, is_one_for_the_loss_itself) {
  Graph graph;
  const Value loss = leaf(graph, {});
  const Value leaves[] = {loss};
  const auto gradients = plan::differentiate(graph, loss, leaves);
  ASSERT_TRUE(gradients[0]);
  EXPECT_EQ(graph.dump(), "0: %1:float32() = pointwise() {1}  # loss (gradient)\n");
}

TEST(Differentiate, names_an_op_without_a_gradient_on_the_way_to_a_leaf) {
  Graph graph;
  const Value x = leaf(graph, {1, 4, 4, 1}), dy = leaf(graph, {1, 3, 3, 2});
  Value loss;
  {
    const graph::Scope scope(graph, {graph::Origin::Kind::layer, "Penalty \"p\""});
    loss = ops::reduce_sum_all(ops::conv2d_backward_weights(x, dy, {2, 2, 1, 2}, {})[0]);
  }
  const Value leaves[] = {x};
  EXPECT_EQ(test::message_of<Error>([&] { plan::differentiate(graph, loss, leaves); }),
            "Penalty \"p\": op conv2d_backward_weights has no gradient (second derivatives are not "
            "offered)");
}

TEST(Differentiate, hands_no_gradient_on_through_class_numbers) {
  Graph graph;
  const Value logits = leaf(graph, {3, 4}), other = leaf(graph, {3, 4});
  const Value loss = ops::reduce_sum_all(ops::softmax_cross_entropy(logits, ops::argmax(other)));
  const Value leaves[] = {logits, other};
  const auto gradients = plan::differentiate(graph, loss, leaves);
  EXPECT_TRUE(gradients[0]);
  EXPECT_FALSE(gradients[1]);
}

TEST(Differentiate, does_not_mind_an_op_without_a_gradient_elsewhere) {
  Graph graph;
  const Value x = leaf(graph, {3, 4}), labels = leaf(graph, {3}, DType::int32);
  const Value loss = ops::reduce_sum_all(ops::multiply(x, ops::one_hot(labels, 4)));
  ops::argmax(x);  // a metric
  const Value leaves[] = {x};
  EXPECT_TRUE(plan::differentiate(graph, loss, leaves)[0]);
}

TEST(Differentiate, puts_the_gradient_of_a_layer_in_its_scope) {
  Graph graph;
  const Value x = leaf(graph, {2, 2});
  Value y;
  {
    const graph::Scope scope(graph, {graph::Origin::Kind::layer, "Dense \"a\""});
    y = ops::matmul(x, x);
  }
  const Value loss = ops::reduce_sum_all(y);
  const Value leaves[] = {x};
  plan::differentiate(graph, loss, leaves);
  std::size_t found = 0;
  for (const graph::Node& node : graph.nodes()) {
    found += node.origin.text() == "Dense \"a\" (gradient)" ? 1 : 0;
    EXPECT_EQ(node.origin.is_gradient, node.origin.text().ends_with(" (gradient)"));
  }
  EXPECT_EQ(found, 3U);  // two products and their sum
}

}  // namespace
}  // namespace stoker
