// In residual networks the gradient of a batch norm's result is relu's gradient of the sum of two
// gradients. This pass moves that arithmetic into the batch_norm_backward as its head, which saves
// a pass over the whole image and a kernel launch.
#include <algorithm>
#include <memory>
#include <utility>

#include "plan/match.h"
#include "plan/passes.h"
#include "plan/uses.h"

namespace stoker::plan {

using graph::Expression;
using graph::Graph;
using graph::Node;
using graph::NodeId;
using graph::ValueId;

namespace {

const Expression& head_of(const Node& node) {
  return ops::attributes_of<ops::BatchNormAttributes>(node).head;
}

// Returns the node `norm` with the expression of node `made`, which computes its dy, as its head.
Node with_head(const Graph& graph, const Node& norm, const Node& made,
               const Expression& expression) {
  const ValueId dy = made.outputs[0];
  std::vector<int> kept;
  auto attributes = ops::attributes_of<ops::BatchNormAttributes>(norm);
  attributes.head = without_early_rounding(expression, graph.info(dy).type.dtype).compacted(&kept);
  Node fused = norm;
  fused.attributes = std::make_shared<const ops::BatchNormAttributes>(std::move(attributes));
  fused.inputs.pop_back();
  for (const int k : kept) fused.inputs.push_back(made.inputs[static_cast<std::size_t>(k)]);
  fused.outputs.push_back(dy);
  return fused;
}

}  // namespace

void fuse_batch_norm_gradients(Graph& graph, std::span<const ValueId> keep, const Accepts& takes) {
  auto& nodes = graph.nodes();
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    Node& norm = nodes[i];
    if (!is_op(norm, ops::OpIndex::batch_norm_backward) || !head_of(norm).outputs().empty()) {
      continue;
    }
    const ValueId dy = norm.inputs.back();
    const NodeId maker = graph.info(dy).node;
    if (maker < 0 || !is_private(graph, dy, keep)) continue;
    Node& early = nodes[static_cast<std::size_t>(maker)];
    const Expression* expression = plain_expression(early);
    if (expression == nullptr || has_write_between(graph, maker, static_cast<NodeId>(i))) continue;
    // The fused node stands where the gradients were summed, so its other inputs must exist by
    // then.
    const bool all_there = std::all_of(norm.inputs.begin(), norm.inputs.end() - 1,
                                       [&](ValueId v) { return graph.info(v).node < maker; });
    if (!all_there) continue;
    Node fused = with_head(graph, norm, early, *expression);
    if (!takes(graph, fused)) continue;
    early = std::move(fused);
    norm.op = nullptr;
    for (const ValueId output : early.outputs) graph.info(output).node = maker;
  }
  remove_marked_nodes(graph);
}

}  // namespace stoker::plan
