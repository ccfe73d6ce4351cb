// The passes of plan/passes.h: the nodes before and after each of them, as text.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "ops/ops.h"
#include "ops/tail.h"
#include "plan/passes.h"
#include "plan/targets.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Expression;
using graph::ExprOp;
using graph::Graph;
using graph::Home;
using graph::Space;
using graph::Value;
using graph::ValueId;
using Pass = void (*)(Graph&, std::span<const ValueId>);

constexpr Home kWeight{Space::parameter, 0, 0};

Value leaf(Graph& graph, Shape shape, Space space = Space::input, std::int64_t offset = 0) {
  return graph.leaf("x", {DType::float32, shape}, {space, 0, offset});
}
Value tanh(Value x) {
  return ops::map(x, [](Expr v) { return graph::tanh(v); });
}
Value relu(Value x) {
  return ops::map(x, [](Expr v) { return graph::relu(v); });
}
Value twice(Value x) {
  return ops::map(x, [](Expr v) { return v * 2.0f; });
}

// One line a node: "matmul {bias relu}".
std::string nodes(const Graph& graph) {
  std::string text;
  for (const graph::Node& node : graph.nodes()) {
    text += node.op->name;
    if (node.attributes) text += " {" + node.attributes->text() + "}";
    text += '\n';
  }
  return text;
}

// Runs the pass and compares the nodes.
void expect_rewrite(Graph& graph, Pass pass, const std::vector<Value>& keep,
                    const std::string& before, const std::string& after) {
  EXPECT_EQ(nodes(graph), before);
  std::vector<ValueId> ids;
  for (const Value& value : keep) ids.push_back(value.id);
  pass(graph, ids);
  EXPECT_EQ(nodes(graph), after) << graph.dump();
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    for (const ValueId output : graph.nodes()[i].outputs) {
      EXPECT_EQ(graph.info(output).node, static_cast<graph::NodeId>(i)) << graph.dump();
    }
  }
}

void expect_unchanged(Graph& graph, Pass pass, const std::vector<Value>& keep) {
  const std::string before = nodes(graph);
  expect_rewrite(graph, pass, keep, before, before);
}

void write(Value value, Home home, bool guarded = true) {
  Expression copy;
  copy.add_output(copy.input(0));
  ops::pointwise_into({value}, copy, {home},
                      {.guard = guarded ? ops::Guard::error : ops::Guard::none});
}

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

// ---- sink_relu_gradients
// -------------------------------------------------------------------------

Value mask(Value by, Value gradient) {
  return ops::map(by, gradient, [](Expr y, Expr dy) {
    return graph::select(y, dy, Expr{y.expression, y.expression->constant(0.0f)});
  });
}
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

// ---- fuse_tails: products
// -----------------------------------------------------------------------------

struct Product {
  Graph graph;
  Value a = leaf(graph, {5, 3}), b = leaf(graph, {3, 4}, Space::parameter);
  Value bias = leaf(graph, {4}, Space::parameter, 256);
  Value y = ops::matmul(a, b);
};

TEST(FuseTails, takes_bias_and_relu_into_a_matmul) {
  Product p;
  const Value y = ops::map(p.y, p.bias, [](Expr a, Expr b) { return graph::relu(a + b); });
  expect_rewrite(p.graph, test::fuse_product_tails, {y},
                 "matmul {}\npointwise {relu(add(x0, x1))}\n", "matmul {bias relu}\n");
  EXPECT_EQ(p.graph.node(0).outputs, std::vector<ValueId>{y.id});
  EXPECT_EQ(p.graph.node(0).inputs, (std::vector<ValueId>{p.a.id, p.b.id, p.bias.id}));
}

TEST(FuseTails, takes_bias_or_relu_alone) {
  Product p;
  const Value biased = ops::add(p.bias, p.y);
  expect_rewrite(p.graph, test::fuse_product_tails, {biased},
                 "matmul {}\npointwise {add(x0, x1)}\n", "matmul {bias}\n");
  Product q;
  const Value bent = relu(q.y);
  expect_rewrite(q.graph, test::fuse_product_tails, {bent}, "matmul {}\npointwise {relu(x0)}\n",
                 "matmul {relu}\n");
}

TEST(FuseTails, takes_bias_and_relu_into_a_convolution) {
  Graph graph;
  const Value x = leaf(graph, {2, 6, 6, 3});
  const Value y = ops::conv2d(x, leaf(graph, {3, 3, 3, 8}), {});
  const Value bias = leaf(graph, {8});
  const Value z = ops::map(y, bias, [](Expr a, Expr b) { return graph::relu(a + b); });
  expect_rewrite(graph, test::fuse_product_tails, {z},
                 "conv2d {strides 1x1 padding 0,0+0,0}\npointwise {relu(add(x0, x1))}\n",
                 "conv2d {strides 1x1 padding 0,0+0,0 bias relu}\n");
}

TEST(FuseTails, leaves_a_product_with_another_reader) {
  Product p;
  const Value y = relu(p.y), z = tanh(p.y);
  expect_unchanged(p.graph, test::fuse_product_tails, {y, z});
}

TEST(FuseTails, leaves_a_product_that_is_kept) {
  Product p;
  const Value y = relu(p.y);
  expect_unchanged(p.graph, test::fuse_product_tails, {p.y, y});
}

TEST(FuseTails, leaves_other_arithmetic) {
  for (const auto& tail : std::vector<Value (*)(Value)>{tanh, twice}) {
    Product p;
    const Value y = tail(p.y);
    expect_unchanged(p.graph, test::fuse_product_tails, {y});
  }
  Product p;  // relu before the sum, not after it
  const Value y = ops::map(p.y, p.bias, [](Expr a, Expr b) { return graph::relu(a) + b; });
  expect_unchanged(p.graph, test::fuse_product_tails, {y});
}

TEST(FuseTails, leaves_a_sum_with_anything_but_a_bias) {
  for (const Shape& shape : {Shape{5, 4}, Shape{5, 1}, Shape{}, Shape{1, 4}, Shape{1}}) {
    Product p;
    const Value y = ops::add(p.y, leaf(p.graph, shape));
    expect_unchanged(p.graph, test::fuse_product_tails, {y});
  }
  Product wider;  // the sum is larger than the product
  const Value y = ops::add(wider.y, leaf(wider.graph, {2, 5, 4}));
  expect_unchanged(wider.graph, test::fuse_product_tails, {y});
}

TEST(FuseTails, leaves_a_bias_that_a_later_node_computes) {
  Product p;
  const Value y = ops::add(p.y, tanh(p.bias));
  expect_unchanged(p.graph, test::fuse_product_tails, {y});
}

TEST(FuseTails, leaves_a_bias_of_another_type) {
  Product p;
  const Value whole = p.graph.leaf("x", {DType::int32, {4}}, {Space::input, 0, 0});
  const Value y = ops::add(p.y, whole);
  expect_unchanged(p.graph, test::fuse_product_tails, {y});
}

TEST(FuseTails, does_not_move_the_reading_of_a_bias_before_its_update) {
  Product p;
  write(leaf(p.graph, {4}), p.graph.info(p.bias.id).home);
  const Value y = ops::add(p.y, p.bias);
  expect_unchanged(p.graph, test::fuse_product_tails, {y});
}

TEST(FuseTails, does_not_move_a_write_of_state) {
  Product p;
  const Value y = relu(p.y);
  p.graph.place(y, {Space::state, 0, 0});
  expect_unchanged(p.graph, test::fuse_product_tails, {});
}

TEST(FuseTails, leaves_a_guarded_write) {
  Product p;
  Expression bent;
  bent.add_output(graph::relu(Expr{&bent, bent.input(0)}).id);
  ops::pointwise_into({p.y}, bent, {{Space::gradient, 0, 0}}, {.guard = ops::Guard::error});
  expect_unchanged(p.graph, test::fuse_product_tails, {});
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
  expect_rewrite(p.graph, test::fuse_relu_gradients, {dx},
                 "matmul {}\npointwise {select(x0, x1, 0)}\n", "matmul {relu_backward}\n");
  EXPECT_EQ(ops::tail_input(p.graph.node(0), 1), y.id);
  Product late;  // the mask is made after the product
  const Value of_late = mask(tanh(leaf(late.graph, {5, 4})), late.y);
  expect_unchanged(late.graph, test::fuse_relu_gradients, {of_late});
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

// ---- fuse_tails: batch_norm
// ----------------------------------------------------------------------

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
  expect_rewrite(n.graph, test::fuse_batch_norm_tails, {y},
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
  expect_rewrite(sum.graph, test::fuse_batch_norm_tails, {added},
                 std::string(kNorm) + "pointwise {add(x0, x1)}\n",
                 "batch_norm {epsilon 0.001 add}\n");
  Normalised bent;
  const Value y = relu(bent.norm.y);
  expect_rewrite(bent.graph, test::fuse_batch_norm_tails, {y},
                 std::string(kNorm) + "pointwise {relu(x0)}\n",
                 "batch_norm {epsilon 0.001 relu}\n");
}

// The shortcut is made after the norm; what reads the statistics in between comes behind it.
TEST(FuseBatchNormTails, moves_down_to_where_the_shortcut_is_there) {
  Normalised n;
  const Value moved = twice(n.norm.mean);
  const Value shortcut = tanh(n.x);
  const Value y = relu_of_sum(n.norm.y, shortcut);
  expect_rewrite(n.graph, test::fuse_batch_norm_tails, {y, moved},
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
      n.graph, test::fuse_batch_norm_tails, {y},
      std::string(kNorm) + "pointwise {tanh(x0)}\n" + kNorm + "pointwise {relu(add(x0, x1))}\n",
      std::string("pointwise {tanh(x0)}\n") + kNorm + "batch_norm {epsilon 0.001 add relu}\n");
}

TEST(FuseBatchNormTails, leaves_a_result_that_others_read_or_that_is_kept) {
  Normalised n;
  const Value y = relu(n.norm.y), z = twice(n.norm.y);
  expect_unchanged(n.graph, test::fuse_batch_norm_tails, {y, z});
  Normalised kept;
  const Value bent = relu(kept.norm.y);
  expect_unchanged(kept.graph, test::fuse_batch_norm_tails, {kept.norm.y, bent});
}

TEST(FuseBatchNormTails, leaves_other_arithmetic_and_other_shapes) {
  Normalised n;
  const Value y = tanh(n.norm.y);
  expect_unchanged(n.graph, test::fuse_batch_norm_tails, {y});
  Normalised row;
  const Value z = ops::add(row.norm.y, row.channels);
  expect_unchanged(row.graph, test::fuse_batch_norm_tails, {z});
}

TEST(FuseBatchNormTails, leaves_a_shortcut_made_of_its_own_statistics) {
  Normalised n;
  const Value shortcut = ops::broadcast_to(n.norm.mean, n.x.shape());
  const Value y = relu_of_sum(n.norm.y, shortcut);
  expect_unchanged(n.graph, test::fuse_batch_norm_tails, {y});
}

TEST(FuseBatchNormTails, does_not_move_past_a_write_or_move_one) {
  Normalised n;
  write(n.norm.mean, {Space::state, 0, 0});
  const Value y = relu(n.norm.y);
  expect_unchanged(n.graph, test::fuse_batch_norm_tails, {y});
  Normalised placed;
  placed.graph.place(relu(placed.norm.y), {Space::state, 0, 0});
  expect_unchanged(placed.graph, test::fuse_batch_norm_tails, {});
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
      g.graph, test::fuse_batch_norm_gradients, {dx, shortcut},
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
  expect_rewrite(sum.graph, test::fuse_batch_norm_gradients, {of_sum, sum.y},
                 kForward + "pointwise {add(x0, x1)}\n" + kBackward,
                 kForward + "batch_norm_backward {epsilon 0.001 add}\n");
  NormGradient masked;
  const Value of_mask = masked.of(mask(masked.y, masked.a));
  expect_rewrite(masked.graph, test::fuse_batch_norm_gradients, {of_mask},
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
      g.graph, test::fuse_batch_norm_gradients, {dx, shortcut},
      kForward + "pointwise {select(x0, add(x1, x2), 0)}\npointwise {mul(x0, 2)}\n" + kBackward,
      kForward + "batch_norm_backward {epsilon 0.001 add relu}\npointwise {mul(x0, 2)}\n");
}

TEST(FuseBatchNormGradients, leaves_what_it_cannot_move_to) {
  NormGradient late;  // the statistics come after the gradient
  const Value dy = late.masked_sum();
  const auto other = ops::batch_norm(late.n.x, late.n.channels, late.n.channels, 1e-3f);
  late.n.norm = other;
  const Value dx = late.of(dy);
  expect_unchanged(late.graph, test::fuse_batch_norm_gradients, {dx});
  NormGradient written;
  const Value sum = written.masked_sum();
  write(sum, {Space::state, 0, 0});
  const Value after = written.of(sum);
  expect_unchanged(written.graph, test::fuse_batch_norm_gradients, {after});
}

TEST(FuseBatchNormGradients, leaves_other_arithmetic_and_gradients_that_are_kept) {
  NormGradient g;
  const Value of_twice = g.of(twice(g.a));
  expect_unchanged(g.graph, test::fuse_batch_norm_gradients, {of_twice});
  NormGradient broadcast;
  const Value mean = ops::add(broadcast.a, leaf(broadcast.graph, {2, 1, 1, 8}));
  const Value of_mean = broadcast.of(mean);
  expect_unchanged(broadcast.graph, test::fuse_batch_norm_gradients, {of_mean});
  NormGradient kept;
  const Value dy = kept.masked_sum();
  const Value dx = kept.of(dy);
  expect_unchanged(kept.graph, test::fuse_batch_norm_gradients, {dx, dy});
}

}  // namespace
}  // namespace stoker
