// Patterns that several passes look for.
#pragma once

#include "graph/graph.h"
#include "ops/ops.h"

namespace stoker::plan {

using ops::is_op;

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

// The operand of a rounding to `stored`, if that is what instruction `i` is. A relu, or its
// derivative, of a rounded number is the rounded relu: what is stored in that type in the end need
// not be rounded before.
inline std::int32_t without_rounding(const graph::Expression& expression, std::int32_t i,
                                     DType stored) {
  using graph::ExprOp;
  const graph::Instruction& at = expression.instructions()[static_cast<std::size_t>(i)];
  const bool is_rounding = (at.op == ExprOp::to_bfloat16 && stored == DType::bfloat16) ||
                           (at.op == ExprOp::to_float16 && stored == DType::float16);
  return is_rounding ? at.a : i;
}

// What a pointwise node does to `value`: adds an input, applies relu, or both, and nothing else.
struct Tail {
  bool matches = false;
  int added = -1;  // which input, -1: none
  bool relu = false;
};

// `stored`: the type of its result.
inline Tail match_tail(const graph::Node& node, graph::ValueId value, DType stored) {
  using graph::ExprOp;
  if (!is_op(node, ops::OpIndex::pointwise)) return {};
  const auto& attributes = ops::attributes_of<ops::PointwiseAttributes>(node);
  if (attributes.guard != ops::Guard::none || !attributes.ranges.empty() ||
      node.outputs.size() != 1)
    return {};
  const auto& expression = attributes.expression;
  const auto at = [&](std::int32_t i) -> const graph::Instruction& {
    return expression.instructions()[static_cast<std::size_t>(i)];
  };
  Tail tail;
  std::int32_t root = expression.outputs()[0];
  if (at(root).op == ExprOp::relu) {
    tail.relu = true;
    root = without_rounding(expression, at(root).a, stored);
  }
  const auto is_value = [&](std::int32_t i) {
    return at(i).op == ExprOp::input && node.inputs[static_cast<std::size_t>(at(i).index)] == value;
  };
  if (is_value(root)) {
    tail.matches = tail.relu;
    return tail;
  }
  if (at(root).op != ExprOp::add) return {};
  std::int32_t other = -1;
  if (is_value(at(root).a)) other = at(root).b;
  if (is_value(at(root).b)) other = at(root).a;
  if (other < 0 || at(other).op != ExprOp::input) return {};
  tail.added = at(other).index;
  tail.matches = true;
  return tail;
}

// A pointwise node that adds up to two gradients and applies relu's derivative, or does one of
// both: select(mask, a + b, 0). `stored`: the type of its result.
struct GradientSum {
  graph::ValueId a = graph::kNone;  // kNone: the node is something else
  graph::ValueId b = graph::kNone;
  graph::ValueId mask = graph::kNone;
};
inline GradientSum match_gradient_sum(const graph::Node& node, DType stored) {
  using graph::ExprOp;
  if (!is_op(node, ops::OpIndex::pointwise) || node.outputs.size() != 1) return {};
  const auto& attributes = ops::attributes_of<ops::PointwiseAttributes>(node);
  if (attributes.guard != ops::Guard::none || !attributes.ranges.empty()) return {};
  const auto at = [&](std::int32_t i) -> const graph::Instruction& {
    return attributes.expression.instructions()[static_cast<std::size_t>(i)];
  };
  const auto input = [&](std::int32_t i) {
    return at(i).op == ExprOp::input ? node.inputs[static_cast<std::size_t>(at(i).index)]
                                     : graph::kNone;
  };
  GradientSum sum;
  std::int32_t root = attributes.expression.outputs()[0];
  if (at(root).op == ExprOp::select) {
    const graph::Instruction& select = at(root);
    if (at(select.c).op != ExprOp::constant || at(select.c).value != 0.0f) return {};
    sum.mask = input(select.a);
    if (sum.mask == graph::kNone) return {};
    root = without_rounding(attributes.expression, select.b, stored);
  }
  if (at(root).op == ExprOp::add) {
    sum.b = input(at(root).b);
    if (sum.b == graph::kNone) return {};
    root = at(root).a;
  }
  if (sum.b == graph::kNone && sum.mask == graph::kNone) return {};
  sum.a = input(root);
  return sum;
}

}  // namespace stoker::plan
