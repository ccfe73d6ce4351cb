// relu's gradient behind that of max pooling moves before it. A window's gradient goes to the place
// of its maximum alone, and there relu's output is the window's result: masking the small image
// before it is spread gives the same bits as masking the large one after.
#include <memory>

#include "ops/ops.h"
#include "plan/passes.h"
#include "plan/uses.h"

namespace stoker::plan {

using graph::Expression;
using graph::ExprOp;
using graph::Graph;
using graph::Node;
using graph::NodeId;
using graph::ValueId;

namespace {

bool is_op(const Node& node, ops::OpIndex index) {
  return node.op != nullptr && node.op->index == static_cast<int>(index);
}

// select(x_mask, x_gradient, 0), as relu's derivative is written.
struct Mask {
  ValueId mask = graph::kNone;
  ValueId gradient = graph::kNone;
};
Mask match_mask(const Node& node) {
  if (!is_op(node, ops::OpIndex::pointwise) || node.outputs.size() != 1) return {};
  const auto& attributes = ops::attributes_of<ops::PointwiseAttributes>(node);
  if (attributes.guarded || !attributes.ranges.empty()) return {};
  const auto instructions = attributes.expression.instructions();
  const auto at = [&](std::int32_t i) { return instructions[static_cast<std::size_t>(i)]; };
  const auto root = at(attributes.expression.outputs()[0]);
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

}  // namespace

void sink_relu_gradients(Graph& graph, std::span<const ValueId> keep) {
  const auto readers = find_readers(graph);
  auto& nodes = graph.nodes();
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const auto [mask, gradient] = match_mask(nodes[i]);
    if (mask == graph::kNone || !is_private(graph, gradient, keep)) continue;
    if (readers[static_cast<std::size_t>(gradient)].size() != 1) continue;
    const NodeId spread_id = graph.info(gradient).node;
    Node& spread = nodes[static_cast<std::size_t>(spread_id)];
    if (!is_op(spread, ops::OpIndex::pool2d_backward) || spread.inputs.size() != 2) continue;
    const NodeId pool_id = graph.info(spread.inputs[1]).node;  // of the argmax
    if (pool_id < 0) continue;
    const Node& pool = nodes[static_cast<std::size_t>(pool_id)];
    if (!is_op(pool, ops::OpIndex::pool2d) || pool.inputs[0] != mask) continue;

    // The two change places: what was spread and then masked is masked and then spread.
    const ValueId pooled = pool.outputs[0];
    const graph::ValueType small = graph.info(pooled).type;
    const ValueId masked = graph.new_value(small, spread_id);
    Expression expression;
    const std::int32_t kept = expression.input(0);
    const std::int32_t passed = expression.input(1);
    expression.add_output(expression.append(
        {.op = ExprOp::select, .a = kept, .b = passed, .c = expression.constant(0.0f)}));
    auto attributes = ops::attributes_of<ops::PointwiseAttributes>(nodes[i]);
    attributes.expression = std::move(expression);

    Node& late = nodes[i];
    std::swap(spread.op, late.op);
    std::swap(spread.scope, late.scope);
    late.attributes = spread.attributes;
    late.inputs = {masked, spread.inputs[1]};
    spread.attributes = std::make_shared<const ops::PointwiseAttributes>(std::move(attributes));
    spread.inputs = {pooled, spread.inputs[0]};
    spread.outputs = {masked};
  }
}

}  // namespace stoker::plan
