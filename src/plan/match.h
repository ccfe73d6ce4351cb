// Patterns that several passes look for.
#pragma once

#include "graph/graph.h"
#include "ops/ops.h"

namespace stoker::plan {

inline bool is_op(const graph::Node& node, ops::OpIndex index) {
  return node.op != nullptr && node.op->index == static_cast<int>(index);
}

// relu's derivative as a node by itself: select(mask, gradient, 0).
struct ReluGradient {
  graph::ValueId mask = graph::kNone;  // kNone: the node is something else
  graph::ValueId gradient = graph::kNone;
};
inline ReluGradient match_relu_gradient(const graph::Node& node) {
  using graph::ExprOp;
  if (!is_op(node, ops::OpIndex::pointwise) || node.outputs.size() != 1) return {};
  const auto& attributes = ops::attributes_of<ops::PointwiseAttributes>(node);
  if (attributes.guard != ops::Guard::none || !attributes.ranges.empty()) return {};
  const auto instructions = attributes.expression.instructions();
  const auto at = [&](std::int32_t i) -> const graph::Instruction& {
    return instructions[static_cast<std::size_t>(i)];
  };
  const graph::Instruction& root = at(attributes.expression.outputs()[0]);
  if (root.op != ExprOp::select || at(root.a).op != ExprOp::input ||
      at(root.b).op != ExprOp::input || at(root.c).op != ExprOp::constant ||
      at(root.c).value != 0.0f) {
    return {};
  }
  const auto input = [&](std::int32_t i) {
    return node.inputs[static_cast<std::size_t>(at(i).index)];
  };
  return {input(root.a), input(root.b)};
}

}  // namespace stoker::plan
