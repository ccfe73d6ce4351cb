// No op without a gradient or a reason, and none without a case.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "ops/cases.h"

namespace stoker {
namespace {

TEST(EveryOp, has_a_gradient_or_a_reason_why_not) {
  for (const graph::Op* op : ops::all_ops()) {
    const bool has_reason = op->why_no_gradient != nullptr && *op->why_no_gradient != '\0';
    EXPECT_NE(op->gradient != nullptr, has_reason) << "op " << op->name;
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
