// This pass moves relu's gradient from behind that of max pooling to before it. A window's gradient
// goes only to the place of its maximum, and relu's output there is the window's result, so masking
// the small image before it is spread gives the same bits as masking the large one after.
#include <memory>

#include "ops/tail.h"
#include "plan/match.h"
#include "plan/passes.h"
#include "plan/uses.h"

namespace stoker::plan {

using graph::Expression;
using graph::Graph;
using graph::Node;
using graph::NodeId;
using graph::ValueId;

void sink_relu_gradients(Graph& graph, std::span<const ValueId> keep) {
  const auto readers = find_readers(graph);
  auto& nodes = graph.nodes();
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const Expression* computed = plain_expression(nodes[i]);
    const auto form = computed != nullptr ? ops::as_gated_sum(*computed) : std::nullopt;
    if (!form || form->mask < 0 || form->addend >= 0) continue;
    const ValueId mask = nodes[i].inputs[static_cast<std::size_t>(form->mask)];
    const ValueId gradient = nodes[i].inputs[static_cast<std::size_t>(form->base)];
    if (!is_private(graph, gradient, keep)) continue;
    if (readers[static_cast<std::size_t>(gradient)].size() != 1) continue;
    const NodeId spread_id = graph.info(gradient).node;
    Node& spread = nodes[static_cast<std::size_t>(spread_id)];
    if (!is_op(spread, ops::OpIndex::pool2d_backward) || spread.inputs.size() != 2) continue;
    const NodeId pool_id = graph.info(spread.inputs[1]).node;  // The node that made the argmax.
    if (pool_id < 0) continue;
    const Node& pool = nodes[static_cast<std::size_t>(pool_id)];
    if (!is_op(pool, ops::OpIndex::pool2d) || pool.inputs[0] != mask) continue;

    // The two nodes change places: the gradient used to be spread and then masked, and now it is
    // masked and then spread.
    const ValueId pooled = pool.outputs[0];
    const graph::ValueType small = graph.info(pooled).type;
    const ValueId masked = graph.new_value(small, spread_id);
    auto attributes = ops::attributes_of<ops::PointwiseAttributes>(nodes[i]);
    attributes.expression = graph::expression_of<2>([](graph::Expr y, graph::Expr dy) {
      return select(y, dy, graph::Expr{y.expression, y.expression->constant(0.0f)});
    });

    Node& late = nodes[i];
    std::swap(spread.op, late.op);
    std::swap(spread.origin, late.origin);
    late.attributes = spread.attributes;
    late.inputs = {masked, spread.inputs[1]};
    spread.attributes = std::make_shared<const ops::PointwiseAttributes>(std::move(attributes));
    spread.inputs = {pooled, spread.inputs[0]};
    spread.outputs = {masked};
  }
}

}  // namespace stoker::plan
