// What may change places in a step, and what may not.
#include "backend/cuda/plan/passes.h"

#include <gtest/gtest.h>

#include <string>

#include "ops/ops.h"

namespace stoker::backend::cuda {
namespace {

using graph::Space;
using graph::Value;

std::vector<std::string> names_of(const graph::Graph& graph) {
  std::vector<std::string> names;
  for (const graph::Node& node : graph.nodes()) names.emplace_back(node.op->name);
  return names;
}

// A total that is added to unless an error is recorded.
void add_guarded(graph::Graph& graph) {
  const Value total = graph.leaf("total", {DType::float32, {}}, {Space::metric, 0, 0});
  graph::Expression expression;
  const graph::Expr sum = graph::Expr{&expression, expression.input(0)} + 1.0f;
  expression.add_output(sum.id);
  ops::pointwise_into({total}, std::move(expression), {graph.info(total.id).home},
                      {.guard = ops::Guard::error});
}

// One of them could record an error of this step before the total of this step is added to.
class GuardedNode : public testing::TestWithParam<const char*> {
 protected:
  static void append(graph::Graph& graph) {
    const std::string name = GetParam();
    const Value ids = graph.leaf("ids", {DType::int32, {8}}, {Space::input, 0, 256});
    const Value rows = graph.leaf("rows", {DType::float32, {8, 4}}, {Space::parameter, 0, 0});
    if (name == "embedding") ops::embedding(rows, ids);
    if (name == "one_hot") ops::one_hot(ids, 4);
    if (name == "softmax_cross_entropy") ops::softmax_cross_entropy(rows, ids);
    if (name == "advance")
      ops::advance(graph.leaf("loss", {DType::float32, {}}, {Space::input, 0, 512}));
  }
};
INSTANTIATE_TEST_SUITE_P(Ops, GuardedNode,
                         testing::Values("embedding", "one_hot", "softmax_cross_entropy",
                                         "advance"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(GuardedNode, is_not_put_behind_what_records_an_error) {
  graph::Graph graph;
  add_guarded(graph);
  append(graph);
  const auto before = names_of(graph);
  group_nodes(graph);
  EXPECT_EQ(names_of(graph), before);
}

TEST(GroupNodes, puts_what_does_not_depend_on_the_scalars_behind_a_product) {
  graph::Graph graph;
  const Value x = graph.leaf("x", {DType::float32, {8, 8}}, {Space::input, 0, 256});
  const Value y = ops::map(x, [](graph::Expr v) { return graph::relu(v); });
  ops::embedding(x, graph.leaf("ids", {DType::int32, {8}}, {Space::input, 0, 4096}));
  ops::map(y, [](graph::Expr v) { return v + 1.0f; });
  group_nodes(graph);
  EXPECT_EQ(names_of(graph), (std::vector<std::string>{"embedding", "pointwise", "pointwise"}));
}

}  // namespace
}  // namespace stoker::backend::cuda
