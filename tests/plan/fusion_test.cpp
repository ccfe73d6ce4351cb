// The passes of plan/passes.h but those that move tails: the nodes before and after, as text.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "ops/ops.h"
#include "plan/passes.h"
#include "plan/rewrite.h"

namespace stoker {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace)
using graph::Expr;
using graph::Expression;
using graph::ExprOp;
using graph::Graph;
using graph::Space;
using graph::Value;
using graph::ValueId;

// ---- eliminate_dead_nodes -----------------------------------------------------------------------

TEST(EliminateDeadNodes, drops_what_leads_nowhere) {
  Graph graph;
  const Value x = leaf(graph, {4});
  const Value y = tanh(x);
  twice(relu(y));
  expect_rewrite(graph, plan::eliminate_dead_nodes, {y},
                 "pointwise {tanh(x0)}\npointwise {relu(x0)}\npointwise {mul(x0, 2)}\n",
                 "pointwise {tanh(x0)}\n");
}

TEST(EliminateDeadNodes, keeps_what_writes_outside_of_the_arena_or_has_an_effect) {
  Graph graph;
  const Value x = leaf(graph, {});
  write(tanh(x), {Space::state, 0, 0});
  ops::advance(relu(x));
  const Value placed = twice(x);
  graph.place(placed, {Space::gradient, 0, 0});
  expect_unchanged(graph, plan::eliminate_dead_nodes, {});
}

TEST(EliminateDeadNodes, keeps_a_node_for_one_of_its_outputs) {
  Graph graph;
  const Value x = leaf(graph, {6, 2}), c = leaf(graph, {2});
  const auto norm = ops::batch_norm(x, c, c, 1e-3f);
  expect_unchanged(graph, plan::eliminate_dead_nodes, {norm.variance});
}

// ---- sink_relu_gradients ------------------------------------------------------------------------

const std::string kPool = "max 2x2 strides 2x2 padding 0,0+0,0";

TEST(SinkReluGradients, masks_before_max_pooling_spreads) {
  Graph graph;
  const Value y = relu(leaf(graph, {1, 4, 4, 8}));
  const ops::Pool2DAttributes pool;
  const Value pooled = ops::pool2d(y, pool);
  const Value argmax = graph.value(graph.nodes().back().outputs[1]);
  const Value spread = ops::pool2d_backward(leaf(graph, {1, 2, 2, 8}), argmax, y.shape(), pool);
  const Value masked = mask(y, spread);
  expect_rewrite(graph, plan::sink_relu_gradients, {pooled, masked},
                 "pointwise {relu(x0)}\npool2d {" + kPool + "}\npool2d_backward {" + kPool +
                     "}\npointwise {select(x0, x1, 0)}\n",
                 "pointwise {relu(x0)}\npool2d {" + kPool +
                     "}\npointwise {select(x0, x1, 0)}\npool2d_backward {" + kPool + "}\n");
  const graph::Node& small = graph.node(2);
  EXPECT_EQ(small.inputs[0], pooled.id);
  EXPECT_EQ(graph.node(3).outputs[0], masked.id);
  EXPECT_EQ(graph.info(small.outputs[0]).type.shape, (Shape{1, 2, 2, 8}));
}

TEST(SinkReluGradients, leaves_other_masks_and_shared_gradients_alone) {
  Graph graph;
  const Value y = relu(leaf(graph, {1, 4, 4, 8}));
  const Value other = leaf(graph, {1, 4, 4, 8}, Space::input, 4096);
  const ops::Pool2DAttributes pool;
  ops::pool2d(y, pool);
  const Value argmax = graph.value(graph.nodes().back().outputs[1]);
  const Value dy = leaf(graph, {1, 2, 2, 8});
  const Value by_other = mask(other, ops::pool2d_backward(dy, argmax, y.shape(), pool));
  const Value shared = ops::pool2d_backward(dy, argmax, y.shape(), pool);
  const Value by_y = mask(y, shared);
  expect_unchanged(graph, plan::sink_relu_gradients, {by_other, by_y, shared});
  expect_unchanged(graph, plan::sink_relu_gradients, {by_other, by_y, twice(shared)});
}

// ---- fuse_pointwise -----------------------------------------------------------------------------

TEST(FusePointwise, makes_one_node_of_a_chain) {
  Graph graph;
  const Value x = leaf(graph, {3, 4}), bias = leaf(graph, {4});
  const Value y = twice(tanh(ops::add(x, bias)));
  expect_rewrite(graph, plan::fuse_pointwise, {y},
                 "pointwise {add(x0, x1)}\npointwise {tanh(x0)}\npointwise {mul(x0, 2)}\n",
                 "pointwise {mul(tanh(add(x0, x1)), 2)}\n");
}

TEST(FusePointwise, goes_into_a_reduce) {
  Graph graph;
  const Value x = leaf(graph, {3, 4}), y = leaf(graph, {3, 4});
  const Value error = ops::map(x, y, [](Expr a, Expr b) { return graph::square(a - b); });
  const Value sum = ops::reduce_sum(error, {0});
  expect_rewrite(graph, plan::fuse_pointwise, {sum},
                 "pointwise {mul(%2=sub(x0, x1), %2)}\nreduce {sum of x0 over axes 0}\n",
                 "reduce {sum of mul(%2=sub(x0, x1), %2) over axes 0}\n");
}

TEST(FusePointwise, leaves_a_value_with_several_readers) {
  Graph graph;
  const Value shared = tanh(leaf(graph, {4}));
  const Value a = relu(shared), b = twice(shared);
  expect_unchanged(graph, plan::fuse_pointwise, {a, b});
}

TEST(FusePointwise, counts_a_node_that_reads_a_value_twice_once) {
  Graph graph;
  const Value bent = tanh(leaf(graph, {4}));
  const Value y = ops::multiply(bent, bent);
  expect_rewrite(graph, plan::fuse_pointwise, {y},
                 "pointwise {tanh(x0)}\npointwise {mul(x0, x1)}\n",
                 "pointwise {mul(%1=tanh(x0), %1)}\n");
}

TEST(FusePointwise, leaves_a_value_that_is_kept_or_lies_outside_of_the_arena) {
  Graph graph;
  const Value kept = tanh(leaf(graph, {4}));
  const Value placed = twice(kept);
  graph.place(placed, {Space::gradient, 0, 0});
  const Value y = relu(placed);
  expect_unchanged(graph, plan::fuse_pointwise, {kept, y});
}

TEST(FusePointwise, copies_a_constant_into_every_reader) {
  Graph graph;
  const Value x = leaf(graph, {3, 4});
  const Value constant = ops::fill(graph, {}, 3.0f);
  const Value a = ops::add(x, constant), b = ops::multiply(x, constant);
  expect_rewrite(graph, plan::fuse_pointwise, {a, b},
                 "pointwise {3}\npointwise {add(x0, x1)}\npointwise {mul(x0, x1)}\n",
                 "pointwise {add(x0, 3)}\npointwise {mul(x0, 3)}\n");
}

TEST(FusePointwise, sees_a_constant_through_a_reshape) {
  Graph graph;
  const Value x = leaf(graph, {3, 4});
  const Value constant = ops::reshape(ops::fill(graph, {}, 3.0f), {1, 1});
  const Value y = ops::multiply(x, constant);
  expect_rewrite(graph, plan::fuse_pointwise, {y},
                 "pointwise {3}\nreshape\npointwise {mul(x0, x1)}\n", "pointwise {mul(x0, 3)}\n");
}

TEST(FusePointwise, does_not_compute_a_broadcast_value_again_for_every_element) {
  Graph graph;
  const Value row = tanh(leaf(graph, {4}));
  const Value y = ops::add(leaf(graph, {3, 4}), row);
  expect_unchanged(graph, plan::fuse_pointwise, {y});
}

TEST(FusePointwise, does_not_lose_the_shape_that_a_reduce_sums_over) {
  Graph graph;
  const Value row = leaf(graph, {4});
  const Value wide = ops::broadcast_to(row, {3, 4});
  const Value sum = ops::reduce_sum(wide, {0});
  expect_unchanged(graph, plan::fuse_pointwise, {sum});
}

TEST(FusePointwise, does_not_lose_the_shape_of_a_constant_that_is_summed) {
  Graph graph;
  const Value sum = ops::reduce_sum(ops::fill(graph, {3, 4}, 0.5f), {0});
  expect_unchanged(graph, plan::fuse_pointwise, {sum});
}

TEST(FusePointwise, splices_a_broadcast_value_where_another_input_has_the_shape) {
  Graph graph;
  const Value x = leaf(graph, {3, 4}), row = leaf(graph, {4});
  Expression product;
  const Expr first{&product, product.input(0)}, second{&product, product.input(1)};
  product.add_output((first * second).id);
  const Value sum =
      ops::reduce(ops::ReduceKind::sum, {ops::broadcast_to(row, {3, 4}), x}, product, {0});
  expect_rewrite(graph, plan::fuse_pointwise, {sum},
                 "pointwise {x0}\nreduce {sum of mul(x0, x1) over axes 0}\n",
                 "reduce {sum of mul(x0, x1) over axes 0}\n");
}

TEST(FusePointwise, leaves_a_node_with_two_outputs_or_ranges) {
  Graph graph;
  const Value x = leaf(graph, {8});
  Expression two;
  const Expr in{&two, two.input(0)};
  two.add_output(graph::tanh(in).id);
  two.add_output((in * 2.0f).id);
  const auto outputs = ops::pointwise({x}, two);
  const Value y = relu(outputs[0]), z = relu(outputs[1]);
  expect_unchanged(graph, plan::fuse_pointwise, {y, z});
}

TEST(FusePointwise, goes_into_a_guarded_write_but_not_out_of_one) {
  Graph graph;
  const Value x = leaf(graph, {4}), weight = leaf(graph, {4}, Space::parameter);
  write(ops::add(tanh(x), weight), kWeight);
  write(weight, {Space::state, 0, 0});
  expect_rewrite(graph, plan::fuse_pointwise, {},
                 "pointwise {tanh(x0)}\npointwise {add(x0, x1)}\npointwise {x0 guarded}\n"
                 "pointwise {x0 guarded}\n",
                 "pointwise {add(x1, tanh(x0)) guarded}\npointwise {x0 guarded}\n");
}

TEST(FusePointwise, does_not_move_the_reading_of_a_weight_past_its_update) {
  Graph graph;
  const Value x = leaf(graph, {4}), weight = leaf(graph, {4}, Space::parameter);
  const Value old = twice(weight);
  write(x, kWeight);
  const Value y = ops::add(old, x);
  expect_unchanged(graph, plan::fuse_pointwise, {y});
}

TEST(FusePointwise, does_not_move_the_reading_of_a_reshaped_weight_past_its_update) {
  Graph graph;
  const Value x = leaf(graph, {2, 2}), weight = leaf(graph, {4}, Space::parameter);
  const Value old = twice(ops::reshape(weight, {2, 2}));
  write(leaf(graph, {4}), kWeight);
  const Value y = ops::add(old, x);
  expect_unchanged(graph, plan::fuse_pointwise, {y});
}

TEST(FusePointwise, moves_what_reads_only_the_batch_past_an_update) {
  Graph graph;
  const Value x = leaf(graph, {4});
  const Value bent = tanh(x);
  write(x, kWeight);
  const Value y = ops::add(bent, x);
  expect_rewrite(graph, plan::fuse_pointwise, {y},
                 "pointwise {tanh(x0)}\npointwise {x0 guarded}\npointwise {add(x0, x1)}\n",
                 "pointwise {x0 guarded}\npointwise {add(x0, tanh(x0))}\n");
}

Value noise(Graph& graph, Shape shape) {
  Expression random;
  random.add_output(random.append({.op = ExprOp::uniform, .index = 5}));
  return ops::pointwise(graph, shape, {}, random)[0];
}

TEST(FusePointwise, does_not_move_random_numbers_past_the_counter_that_they_depend_on) {
  Graph graph;
  const Value x = leaf(graph, {4}), loss = leaf(graph, {});
  const Value random = noise(graph, {4});
  ops::advance(loss);
  const Value y = ops::add(random, x);
  expect_unchanged(graph, plan::fuse_pointwise, {y});
}

TEST(FusePointwise, splices_random_numbers_only_where_elements_keep_their_numbers) {
  Graph graph;
  const Value x = leaf(graph, {3, 4});
  const Value same = ops::multiply(noise(graph, {3, 4}), x);
  const Value other = ops::multiply(noise(graph, {4}), x);
  expect_rewrite(
      graph, plan::fuse_pointwise, {same, other},
      "pointwise {uniform(5)}\npointwise {mul(x0, x1)}\npointwise {uniform(5)}\n"
      "pointwise {mul(x0, x1)}\n",
      "pointwise {mul(uniform(5), x0)}\npointwise {uniform(5)}\npointwise {mul(x0, x1)}\n");
}

// ---- fuse_bias_gradients ------------------------------------------------------------------------

struct Backward {
  Graph graph;
  Value x = leaf(graph, {2, 6, 6, 3}), dy = leaf(graph, {2, 4, 4, 8});
  Value make_kernel_gradient() { return ops::conv2d_backward_weights(x, dy, {3, 3, 3, 8}, {})[0]; }
};
constexpr const char* kWeights = "conv2d_backward_weights {strides 1x1 padding 0,0+0,0}\n";

TEST(FuseBiasGradients, sums_while_it_makes_the_kernel_gradient) {
  for (const bool before : {false, true}) {
    Backward b;
    Value sum, kernel;
    if (before) sum = ops::reduce_sum(b.dy, {0, 1, 2});
    kernel = b.make_kernel_gradient();
    if (!before) sum = ops::reduce_sum(b.dy, {0, 1, 2});
    b.graph.place(sum, {Space::gradient, 0, 0});
    const std::string reduce = "reduce {sum of x0 over axes 0 1 2}\n";
    expect_rewrite(b.graph, plan::fuse_bias_gradients, {kernel, sum},
                   before ? reduce + kWeights : kWeights + reduce,
                   "conv2d_backward_weights {strides 1x1 padding 0,0+0,0 bias}\n");
    EXPECT_EQ(b.graph.node(0).outputs, (std::vector<ValueId>{kernel.id, sum.id}));
  }
}

TEST(FuseBiasGradients, leaves_other_reductions) {
  using ops::ReduceKind;
  const std::vector<std::function<Value(Value)>> others{
      [](Value dy) {
        return ops::reduce_sum(dy, {0, 1});
      },
      [](Value dy) {
        return ops::reduce_sum(dy, {0, 1, 2}, true);
      },
      [](Value dy) {
        return ops::reduce_mean(dy, {0, 1, 2});
      },
      [](Value dy) {
        return ops::reduce(ReduceKind::max, dy, {0, 1, 2});
      },
      [](Value dy) {
        Expression square;
        square.add_output(graph::square(Expr{&square, square.input(0)}).id);
        return ops::reduce(ReduceKind::sum, {dy}, square, {0, 1, 2});
      },
      [](Value dy) {
        return ops::reduce_sum(leaf(*dy.graph, dy.shape()), {0, 1, 2});
      },
  };
  for (const auto& other : others) {
    Backward b;
    const Value kernel = b.make_kernel_gradient();
    const Value sum = other(b.dy);
    expect_unchanged(b.graph, plan::fuse_bias_gradients, {kernel, sum});
  }
}

TEST(FuseBiasGradients, leaves_a_sum_that_is_read_before_the_kernel_gradient_is_made) {
  Backward b;
  const Value sum = ops::reduce_sum(b.dy, {0, 1, 2});
  const Value bent = tanh(sum);
  const Value kernel = b.make_kernel_gradient();
  expect_unchanged(b.graph, plan::fuse_bias_gradients, {kernel, bent});
}

TEST(FuseBiasGradients, does_not_move_a_write_of_a_total) {
  Backward b;
  const Value kernel = b.make_kernel_gradient();
  const Value total = twice(leaf(b.graph, {8}, Space::metric));
  const Value sum = ops::reduce_sum(b.dy, {0, 1, 2});
  b.graph.place(sum, {Space::metric, 0, 0});
  expect_unchanged(b.graph, plan::fuse_bias_gradients, {kernel, total});
}

}  // namespace
}  // namespace stoker
