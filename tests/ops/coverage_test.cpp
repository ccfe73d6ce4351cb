// No op without a gradient or a reason, and none without a case.
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "ops/cases.h"

namespace stoker {
namespace {

TEST(EveryOp, has_a_gradient_or_a_reason_why_not) {
  for (const graph::Op* op : ops::all_ops()) {
    const bool has_reason = op->why_no_gradient != nullptr && *op->why_no_gradient != '\0';
    EXPECT_NE(op->gradient != nullptr, has_reason) << "op " << op->name;
  }
}

// What all cases of an op say of its traits.
template <class Check>
void for_each_node_of_all_cases(const Check& check) {
  for (const auto& [name, list] : cases::all_cases()) {
    for (const auto& c : list()) {
      SCOPED_TRACE(std::string(name) + " " + c.name);
      graph::Graph graph;
      std::vector<graph::Value> leaves;
      for (const auto& input : c.inputs) {
        leaves.push_back(graph.leaf("x", {input.dtype, input.shape}, {graph::Space::input, 0, 0}));
      }
      c.build(graph, leaves);
      for (const graph::Node& node : graph.nodes()) check(graph, node);
    }
  }
}

TEST(EveryOp, that_writes_the_scalars_says_what_its_errors_mean) {
  for (const graph::Op* op : ops::all_ops()) {
    const bool moves_counters = op->index == static_cast<int>(ops::OpIndex::advance);
    EXPECT_EQ(op->traits.describe_error != nullptr, op->traits.writes_scalars && !moves_counters)
        << "op " << op->name;
  }
  for_each_node_of_all_cases([](const graph::Graph& graph, const graph::Node& node) {
    if (node.op->traits.describe_error == nullptr) return;
    const graph::RecordedError error = node.op->traits.describe_error(graph, node, 7000, 0);
    EXPECT_NE(error.what.find("7000"), std::string::npos) << error.what;
    EXPECT_FALSE(error.remedy.empty());
  });
}

TEST(EveryOp, that_is_a_view_keeps_its_elements) {
  for_each_node_of_all_cases([](const graph::Graph& graph, const graph::Node& node) {
    if (!node.op->traits.is_view) return;
    ASSERT_EQ(node.inputs.size(), 1U);
    ASSERT_EQ(node.outputs.size(), 1U);
    const graph::ValueType& from = graph.info(node.inputs[0]).type;
    const graph::ValueType& to = graph.info(node.outputs[0]).type;
    EXPECT_EQ(from.dtype, to.dtype);
    EXPECT_EQ(from.shape.elements(), to.shape.elements());
    EXPECT_TRUE(node.op->traits.takes_any_dtype);
  });
}

TEST(EveryOp, with_products_counts_at_least_one_for_each_element) {
  for_each_node_of_all_cases([](const graph::Graph& graph, const graph::Node& node) {
    const graph::Traits::MultiplyAdds count = node.op->traits.multiply_adds;
    if (count == nullptr) return;
    const double products = count(graph, node);
    EXPECT_GT(products, 0.0) << node.op->name;
    EXPECT_EQ(products, std::floor(products)) << node.op->name;
  });
}

TEST(EveryOp, reads_the_scalars_where_it_draws_random_numbers) {
  for (const graph::Op* op : ops::all_ops()) {
    // Attention draws numbers for its dropout without an expression.
    const bool has_dropout = std::string(op->name).starts_with("attention");
    EXPECT_EQ(op->traits.reads_scalars != nullptr, op->traits.carries_expression || has_dropout)
        << op->name;
  }
  graph::Graph graph;
  const auto reads = [&] {
    const graph::Node& node = graph.nodes().back();
    return node.op->traits.reads_scalars(node);
  };
  for (const bool is_random : {false, true}) {
    graph::Expression expression;
    const graph::Expr x{&expression, expression.input(0)};
    const std::int32_t drawn = expression.append({.op = graph::ExprOp::uniform, .index = 1});
    expression.add_output(is_random ? (x + graph::Expr{&expression, drawn}).id : x.id);
    expression = expression.compacted(nullptr);
    const graph::Value leaf = graph.leaf("x", {DType::float32, {4}}, {graph::Space::input, 0, 0});
    const graph::Value y = ops::pointwise({leaf}, expression)[0];
    EXPECT_EQ(reads(), is_random);
    ops::reduce(ops::ReduceKind::sum, {y}, expression, {0});
    EXPECT_EQ(reads(), is_random);
    ops::pointwise_into({leaf}, expression, {graph::Home{}}, {.guard = ops::Guard::error});
    EXPECT_TRUE(reads());
  }
}

TEST(EveryOp, stands_where_its_index_says) {
  int index = 0;
  for (const graph::Op* op : ops::all_ops()) EXPECT_EQ(op->index, index++) << "op " << op->name;
  EXPECT_EQ(index, static_cast<int>(ops::OpIndex::count));
}

TEST(EveryOp, is_run_by_a_case_of_its_own) {
  for (const auto& [name, list] : cases::all_cases()) {
    bool is_run = false;
    for (const auto& c : list()) {
      graph::Graph graph;
      std::vector<graph::Value> leaves;
      for (const auto& input : c.inputs) {
        leaves.push_back(graph.leaf("x", {input.dtype, input.shape}, {graph::Space::input, 0, 0}));
      }
      c.build(graph, leaves);
      for (const graph::Node& node : graph.nodes())
        is_run = is_run || node.op->name == std::string(name);
    }
    EXPECT_TRUE(is_run) << "no case of op " << name << " has a node of it";
  }
}

TEST(EveryOp, with_a_gradient_has_a_case_that_checks_it) {
  for (const auto& [name, list] : cases::all_cases()) {
    std::size_t differentiated = 0;
    for (const auto& c : list()) differentiated += c.differentiable_outputs;
    for (const graph::Op* op : ops::all_ops()) {
      if (op->name != std::string(name) || op->gradient == nullptr) continue;
      EXPECT_GT(differentiated, 0U) << "op " << name;
    }
  }
}

TEST(EveryCase, has_a_name_of_its_own) {
  std::set<std::string> seen;
  for (const auto& [name, list] : cases::all_cases()) {
    for (const auto& c : list()) {
      EXPECT_TRUE(seen.insert(std::string(name) + " " + c.name).second) << name << ": " << c.name;
    }
  }
}

}  // namespace
}  // namespace stoker
