// The nodes of a graph before and after a pass, as text.
#pragma once

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "ops/ops.h"

namespace stoker::test {

using graph::Expr;
using graph::Graph;
using graph::Home;
using graph::Space;
using graph::Value;
using graph::ValueId;
using Pass = void (*)(Graph&, std::span<const ValueId>);

inline constexpr Home kWeight{Space::parameter, 0, 0};

inline Value leaf(Graph& graph, Shape shape, Space space = Space::input, std::int64_t offset = 0) {
  return graph.leaf("x", {DType::float32, shape}, {space, 0, offset});
}
inline Value tanh(Value x) {
  return ops::map(x, [](Expr v) { return graph::tanh(v); });
}
inline Value relu(Value x) {
  return ops::map(x, [](Expr v) { return graph::relu(v); });
}
inline Value twice(Value x) {
  return ops::map(x, [](Expr v) { return v * 2.0f; });
}

// relu's gradient.
inline Value mask(Value by, Value gradient) {
  return ops::map(by, gradient, [](Expr y, Expr dy) {
    return graph::select(y, dy, Expr{y.expression, y.expression->constant(0.0f)});
  });
}

// One line a node: "matmul {bias relu}".
inline std::string nodes(const Graph& graph) {
  std::string text;
  for (const graph::Node& node : graph.nodes()) {
    text += node.op->name;
    if (node.attributes) text += " {" + node.attributes->text() + "}";
    text += '\n';
  }
  return text;
}

// Runs the pass and compares the nodes.
inline void expect_rewrite(Graph& graph, Pass pass, const std::vector<Value>& keep,
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

inline void expect_unchanged(Graph& graph, Pass pass, const std::vector<Value>& keep) {
  const std::string before = nodes(graph);
  expect_rewrite(graph, pass, keep, before, before);
}

inline void write(Value value, Home home, bool guarded = true) {
  ops::pointwise_into({value}, graph::identity(), {home},
                      {.guard = guarded ? ops::Guard::error : ops::Guard::none});
}

}  // namespace stoker::test
