// What moves into an op as its tail or head, and what does not: the nodes before and after, as
// text.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ops/ops.h"
#include "ops/tail.h"
#include "plan/passes.h"
#include "plan/rewrite.h"
#include "plan/targets.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace)
using graph::Expr;
using graph::Expression;
using graph::Graph;
using graph::Space;
using graph::Value;
using graph::ValueId;

// ---- fuse_tails: products -----------------------------------------------------------------------

struct Product {
  Graph graph;
  Value a = leaf(graph, {5, 3}), b = leaf(graph, {3, 4}, Space::parameter);
  Value bias = leaf(graph, {4}, Space::parameter, 256);
  Value y = ops::matmul(a, b);
};

TEST(FuseTails, takes_bias_and_relu_into_a_matmul) {
  Product p;
  const Value y = ops::map(p.y, p.bias, [](Expr a, Expr b) { return graph::relu(a + b); });
  expect_rewrite(p.graph, fuse_product_tails, {y}, "matmul {}\npointwise {relu(add(x0, x1))}\n",
                 "matmul {bias relu}\n");
  EXPECT_EQ(p.graph.node(0).outputs, std::vector<ValueId>{y.id});
  EXPECT_EQ(p.graph.node(0).inputs, (std::vector<ValueId>{p.a.id, p.b.id, p.bias.id}));
}

TEST(FuseTails, takes_bias_or_relu_alone) {
  Product p;
  const Value biased = ops::add(p.bias, p.y);
  expect_rewrite(p.graph, fuse_product_tails, {biased}, "matmul {}\npointwise {add(x0, x1)}\n",
                 "matmul {bias}\n");
  Product q;
  const Value bent = relu(q.y);
  expect_rewrite(q.graph, fuse_product_tails, {bent}, "matmul {}\npointwise {relu(x0)}\n",
                 "matmul {relu}\n");
}

TEST(FuseTails, takes_bias_and_relu_into_a_convolution) {
  Graph graph;
  const Value x = leaf(graph, {2, 6, 6, 3});
  const Value y = ops::conv2d(x, leaf(graph, {3, 3, 3, 8}), {});
  const Value bias = leaf(graph, {8});
  const Value z = ops::map(y, bias, [](Expr a, Expr b) { return graph::relu(a + b); });
  expect_rewrite(graph, fuse_product_tails, {z},
                 "conv2d {strides 1x1 padding 0,0+0,0}\npointwise {relu(add(x0, x1))}\n",
                 "conv2d {strides 1x1 padding 0,0+0,0 bias relu}\n");
}

TEST(FuseTails, leaves_a_product_with_another_reader) {
  Product p;
  const Value y = relu(p.y), z = tanh(p.y);
  expect_unchanged(p.graph, fuse_product_tails, {y, z});
}

TEST(FuseTails, leaves_a_product_that_is_kept) {
  Product p;
  const Value y = relu(p.y);
  expect_unchanged(p.graph, fuse_product_tails, {p.y, y});
}

TEST(FuseTails, leaves_other_arithmetic) {
  for (const auto& tail : std::vector<Value (*)(Value)>{tanh, twice}) {
    Product p;
    const Value y = tail(p.y);
    expect_unchanged(p.graph, fuse_product_tails, {y});
  }
  Product p;  // relu before the sum, not after it
  const Value y = ops::map(p.y, p.bias, [](Expr a, Expr b) { return graph::relu(a) + b; });
  expect_unchanged(p.graph, fuse_product_tails, {y});
}

TEST(FuseTails, leaves_a_sum_with_anything_but_a_bias) {
  for (const Shape& shape : {Shape{5, 4}, Shape{5, 1}, Shape{}, Shape{1, 4}, Shape{1}}) {
    Product p;
    const Value y = ops::add(p.y, leaf(p.graph, shape));
    expect_unchanged(p.graph, fuse_product_tails, {y});
  }
  Product wider;  // the sum is larger than the product
  const Value y = ops::add(wider.y, leaf(wider.graph, {2, 5, 4}));
  expect_unchanged(wider.graph, fuse_product_tails, {y});
}

TEST(FuseTails, leaves_a_bias_that_a_later_node_computes) {
  Product p;
  const Value y = ops::add(p.y, tanh(p.bias));
  expect_unchanged(p.graph, fuse_product_tails, {y});
}

TEST(FuseTails, leaves_a_bias_of_another_type) {
  Product p;
  const Value whole = p.graph.leaf("x", {DType::int32, {4}}, {Space::input, 0, 0});
  const Value y = ops::add(p.y, whole);
  expect_unchanged(p.graph, fuse_product_tails, {y});
}

TEST(FuseTails, does_not_move_the_reading_of_a_bias_before_its_update) {
  Product p;
  write(leaf(p.graph, {4}), p.graph.info(p.bias.id).home);
  const Value y = ops::add(p.y, p.bias);
  expect_unchanged(p.graph, fuse_product_tails, {y});
}

TEST(FuseTails, does_not_move_a_write_of_state) {
  Product p;
  const Value y = relu(p.y);
  p.graph.place(y, {Space::state, 0, 0});
  expect_unchanged(p.graph, fuse_product_tails, {});
}

TEST(FuseTails, leaves_a_guarded_write) {
  Product p;
  Expression bent;
  bent.add_output(graph::relu(Expr{&bent, bent.input(0)}).id);
  ops::pointwise_into({p.y}, bent, {{Space::gradient, 0, 0}}, {.guard = ops::Guard::error});
  expect_unchanged(p.graph, fuse_product_tails, {});
}

bool takes_all(const Graph&, const graph::Node&) { return true; }

TEST(FuseTails, takes_any_arithmetic_that_the_backend_takes) {
  Product p;
  const Value y =
      ops::map(p.y, leaf(p.graph, {5, 4}), p.bias,
               [](Expr x, Expr shortcut, Expr bias) { return shortcut * graph::tanh(bias + x); });
  const auto fuse = [](Graph& graph, std::span<const ValueId> keep) {
    plan::fuse_tails(graph, keep, takes_all);
  };
  expect_rewrite(p.graph, fuse, {y}, "matmul {}\npointwise {mul(x1, tanh(add(x0, x2)))}\n",
                 "matmul {then mul(x1, tanh(add(x0, x2)))}\n");
  const graph::Node& node = p.graph.node(0);
  EXPECT_EQ(ops::tail_input(node, 2), p.bias.id);
  EXPECT_THROW(ops::gated_sum_of(ops::tail_of(node)), Error);
  const graph::Node plain = ops::without_tail(node);
  EXPECT_EQ(plain.inputs, (std::vector<ValueId>{p.a.id, p.b.id}));
  EXPECT_EQ(plain.attributes->text(), "");
}

TEST(FuseTails, leaves_what_the_backend_does_not_take) {
  Product p;
  const Value y = relu(p.y);
  const auto fuse = [](Graph& graph, std::span<const ValueId> keep) {
    plan::fuse_tails(graph, keep, [](const Graph&, const graph::Node&) { return false; });
  };
  expect_unchanged(p.graph, fuse, {y});
}

TEST(FuseTails, masks_the_gradient_of_a_product) {
  Product p;
  const Value y = leaf(p.graph, {5, 4}, Space::input, 4096);
  const Value dx = mask(y, p.y);
  expect_rewrite(p.graph, fuse_relu_gradients, {dx}, "matmul {}\npointwise {select(x0, x1, 0)}\n",
                 "matmul {relu_backward}\n");
  EXPECT_EQ(ops::tail_input(p.graph.node(0), 1), y.id);
  Product late;  // the mask is made after the product
  const Value of_late = mask(tanh(leaf(late.graph, {5, 4})), late.y);
  expect_unchanged(late.graph, fuse_relu_gradients, {of_late});
}

// ---- fuse_tails: batch_norm ---------------------------------------------------------------------

struct Normalised {
  Graph graph;
  Value x = leaf(graph, {2, 3, 3, 8}), channels = leaf(graph, {8});
  ops::BatchNormResult norm = ops::batch_norm(x, channels, channels, 1e-3f);
};
Value relu_of_sum(Value a, Value b) {
  return ops::map(a, b, [](Expr x, Expr y) { return graph::relu(x + y); });
}
constexpr const char* kNorm = "batch_norm {epsilon 0.001}\n";

TEST(FuseBatchNormTails, takes_a_sum_and_relu) {
  Normalised n;
  const Value y = relu_of_sum(n.x, n.norm.y);
  expect_rewrite(n.graph, fuse_batch_norm_tails, {y},
                 std::string(kNorm) + "pointwise {relu(add(x0, x1))}\n",
                 "batch_norm {epsilon 0.001 add relu}\n");
  EXPECT_EQ(n.graph.node(0).inputs,
            (std::vector<ValueId>{n.x.id, n.channels.id, n.channels.id, n.x.id}));
  EXPECT_EQ(n.graph.node(0).outputs,
            (std::vector<ValueId>{y.id, n.norm.mean.id, n.norm.variance.id}));
}

TEST(FuseBatchNormTails, takes_a_sum_or_relu_alone) {
  Normalised sum;
  const Value added = ops::add(sum.norm.y, sum.x);
  expect_rewrite(sum.graph, fuse_batch_norm_tails, {added},
                 std::string(kNorm) + "pointwise {add(x0, x1)}\n",
                 "batch_norm {epsilon 0.001 add}\n");
  Normalised bent;
  const Value y = relu(bent.norm.y);
  expect_rewrite(bent.graph, fuse_batch_norm_tails, {y},
                 std::string(kNorm) + "pointwise {relu(x0)}\n",
                 "batch_norm {epsilon 0.001 relu}\n");
}

// The shortcut is made after the norm; what reads the statistics in between comes behind it.
TEST(FuseBatchNormTails, moves_down_to_where_the_shortcut_is_there) {
  Normalised n;
  const Value moved = twice(n.norm.mean);
  const Value shortcut = tanh(n.x);
  const Value y = relu_of_sum(n.norm.y, shortcut);
  expect_rewrite(n.graph, fuse_batch_norm_tails, {y, moved},
                 std::string(kNorm) +
                     "pointwise {mul(x0, 2)}\npointwise {tanh(x0)}\n"
                     "pointwise {relu(add(x0, x1))}\n",
                 "pointwise {tanh(x0)}\nbatch_norm {epsilon 0.001 add relu}\n"
                 "pointwise {mul(x0, 2)}\n");
}

// Of a shortcut with a norm of its own, the first one takes the tail: the other is there by then.
TEST(FuseBatchNormTails, adds_up_two_norms_by_one_of_them) {
  Normalised n;
  const auto other = ops::batch_norm(tanh(n.x), n.channels, n.channels, 1e-3f);
  const Value y = relu_of_sum(n.norm.y, other.y);
  expect_rewrite(
      n.graph, fuse_batch_norm_tails, {y},
      std::string(kNorm) + "pointwise {tanh(x0)}\n" + kNorm + "pointwise {relu(add(x0, x1))}\n",
      std::string("pointwise {tanh(x0)}\n") + kNorm + "batch_norm {epsilon 0.001 add relu}\n");
}

TEST(FuseBatchNormTails, leaves_a_result_that_others_read_or_that_is_kept) {
  Normalised n;
  const Value y = relu(n.norm.y), z = twice(n.norm.y);
  expect_unchanged(n.graph, fuse_batch_norm_tails, {y, z});
  Normalised kept;
  const Value bent = relu(kept.norm.y);
  expect_unchanged(kept.graph, fuse_batch_norm_tails, {kept.norm.y, bent});
}

TEST(FuseBatchNormTails, leaves_other_arithmetic_and_other_shapes) {
  Normalised n;
  const Value y = tanh(n.norm.y);
  expect_unchanged(n.graph, fuse_batch_norm_tails, {y});
  Normalised row;
  const Value z = ops::add(row.norm.y, row.channels);
  expect_unchanged(row.graph, fuse_batch_norm_tails, {z});
}

TEST(FuseBatchNormTails, leaves_a_shortcut_made_of_its_own_statistics) {
  Normalised n;
  const Value shortcut = ops::broadcast_to(n.norm.mean, n.x.shape());
  const Value y = relu_of_sum(n.norm.y, shortcut);
  expect_unchanged(n.graph, fuse_batch_norm_tails, {y});
}

TEST(FuseBatchNormTails, does_not_move_past_a_write_or_move_one) {
  Normalised n;
  write(n.norm.mean, {Space::state, 0, 0});
  const Value y = relu(n.norm.y);
  expect_unchanged(n.graph, fuse_batch_norm_tails, {y});
  Normalised placed;
  placed.graph.place(relu(placed.norm.y), {Space::state, 0, 0});
  expect_unchanged(placed.graph, fuse_batch_norm_tails, {});
}

// ---- fuse_batch_norm_gradients ------------------------------------------------------------------

// A norm, and what its gradient is made from.
struct NormGradient {
  Normalised n;
  Graph& graph = n.graph;
  Value y = relu(n.norm.y), a = leaf(graph, {2, 3, 3, 8}), b = leaf(graph, {2, 3, 3, 8});

  Value of(Value dy) {
    return graph.append(
        ops::op(ops::OpIndex::batch_norm_backward),
        {n.x, n.channels, n.norm.mean, n.norm.variance, dy}, graph.node(0).attributes,
        {{DType::float32, {2, 3, 3, 8}}, {DType::float32, {8}}, {DType::float32, {8}}})[0];
  }
  Value masked_sum() {
    return ops::map(y, a, b, [](Expr by, Expr first, Expr second) {
      return graph::select(by, first + second, Expr{by.expression, by.expression->constant(0.0f)});
    });
  }
};
const std::string kForward = std::string(kNorm) + "pointwise {relu(x0)}\n";
constexpr const char* kBackward = "batch_norm_backward {epsilon 0.001}\n";

TEST(FuseBatchNormGradients, takes_the_masked_sum_of_two) {
  NormGradient g;
  const Value dy = g.masked_sum();
  const Value dx = g.of(dy);
  const Value shortcut = twice(dy);
  expect_rewrite(
      g.graph, fuse_batch_norm_gradients, {dx, shortcut},
      kForward + "pointwise {select(x0, add(x1, x2), 0)}\n" + kBackward +
          "pointwise {mul(x0, 2)}\n",
      kForward + "batch_norm_backward {epsilon 0.001 add relu}\npointwise {mul(x0, 2)}\n");
  const graph::Node& node = g.graph.node(2);
  EXPECT_EQ(node.inputs, (std::vector<ValueId>{g.n.x.id, g.n.channels.id, g.n.norm.mean.id,
                                               g.n.norm.variance.id, g.y.id, g.a.id, g.b.id}));
  EXPECT_EQ(node.outputs.back(), dy.id);
}

TEST(FuseBatchNormGradients, takes_a_sum_or_a_mask_alone) {
  NormGradient sum;
  const Value of_sum = sum.of(ops::add(sum.a, sum.b));
  expect_rewrite(sum.graph, fuse_batch_norm_gradients, {of_sum, sum.y},
                 kForward + "pointwise {add(x0, x1)}\n" + kBackward,
                 kForward + "batch_norm_backward {epsilon 0.001 add}\n");
  NormGradient masked;
  const Value of_mask = masked.of(mask(masked.y, masked.a));
  expect_rewrite(masked.graph, fuse_batch_norm_gradients, {of_mask},
                 kForward + "pointwise {select(x0, x1, 0)}\n" + kBackward,
                 kForward + "batch_norm_backward {epsilon 0.001 relu}\n");
}

// Another branch reads the gradient first.
TEST(FuseBatchNormGradients, moves_up_to_where_the_gradient_is_made) {
  NormGradient g;
  const Value dy = g.masked_sum();
  const Value shortcut = twice(dy);
  const Value dx = g.of(dy);
  expect_rewrite(
      g.graph, fuse_batch_norm_gradients, {dx, shortcut},
      kForward + "pointwise {select(x0, add(x1, x2), 0)}\npointwise {mul(x0, 2)}\n" + kBackward,
      kForward + "batch_norm_backward {epsilon 0.001 add relu}\npointwise {mul(x0, 2)}\n");
}

TEST(FuseBatchNormGradients, leaves_what_it_cannot_move_to) {
  NormGradient late;  // the statistics come after the gradient
  const Value dy = late.masked_sum();
  const auto other = ops::batch_norm(late.n.x, late.n.channels, late.n.channels, 1e-3f);
  late.n.norm = other;
  const Value dx = late.of(dy);
  expect_unchanged(late.graph, fuse_batch_norm_gradients, {dx});
  NormGradient written;
  const Value sum = written.masked_sum();
  write(sum, {Space::state, 0, 0});
  const Value after = written.of(sum);
  expect_unchanged(written.graph, fuse_batch_norm_gradients, {after});
}

TEST(FuseBatchNormGradients, leaves_other_arithmetic_and_gradients_that_are_kept) {
  NormGradient g;
  const Value of_twice = g.of(twice(g.a));
  expect_unchanged(g.graph, fuse_batch_norm_gradients, {of_twice});
  NormGradient broadcast;
  const Value mean = ops::add(broadcast.a, leaf(broadcast.graph, {2, 1, 1, 8}));
  const Value of_mean = broadcast.of(mean);
  expect_unchanged(broadcast.graph, fuse_batch_norm_gradients, {of_mean});
  NormGradient kept;
  const Value dy = kept.masked_sum();
  const Value dx = kept.of(dy);
  expect_unchanged(kept.graph, fuse_batch_norm_gradients, {dx, dy});
}

}  // namespace
}  // namespace stoker
