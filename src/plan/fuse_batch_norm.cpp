// What stands around batch norm in residual networks goes into it: forwards the sum with the
// shortcut and relu, backwards relu's gradient of the sum of two gradients. Each is a pass over the
// whole image less, and a launch.
#include <algorithm>
#include <memory>
#include <utility>

#include "plan/match.h"
#include "plan/passes.h"
#include "plan/uses.h"

namespace stoker::plan {

using graph::Graph;
using graph::Node;
using graph::NodeId;
using graph::ValueId;
using ops::OpIndex;

namespace {

graph::AttributesPtr with_tail(const Node& node, bool add, bool relu) {
  auto attributes = ops::attributes_of<ops::BatchNormAttributes>(node);
  attributes.add = add;
  attributes.relu = relu;
  return std::make_shared<const ops::BatchNormAttributes>(std::move(attributes));
}

bool is_plain(const Node& node) {
  const auto& attributes = ops::attributes_of<ops::BatchNormAttributes>(node);
  return !attributes.add && !attributes.relu;
}

bool is_alike(const Graph& graph, ValueId a, ValueId b) {
  const graph::ValueType& left = graph.info(a).type;
  const graph::ValueType& right = graph.info(b).type;
  return left.dtype == right.dtype && left.shape == right.shape;
}

// Puts `node` where node `to` stands, in its place, and removes node `from`, which stands before
// it. Nodes between them that depend on what `node` makes come behind it; false, with nothing
// changed, where `node` depends on them.
bool move_down(Graph& graph, Node node, NodeId from, NodeId to) {
  auto& nodes = graph.nodes();
  std::vector<ValueId> late = nodes[static_cast<std::size_t>(from)].outputs;
  const auto depends = [&](const Node& other) {
    return std::any_of(other.inputs.begin(), other.inputs.end(),
                       [&](ValueId input) { return contains(late, input); });
  };
  std::vector<Node> before, behind;
  for (NodeId i = from + 1; i < to; ++i) {
    const Node& between = nodes[static_cast<std::size_t>(i)];
    if (between.op == nullptr) continue;
    if (depends(between)) {
      late.insert(late.end(), between.outputs.begin(), between.outputs.end());
      behind.push_back(between);
    } else {
      before.push_back(between);
    }
  }
  if (depends(node)) return false;
  std::vector<Node> order = std::move(before);
  order.push_back(std::move(node));
  order.insert(order.end(), std::make_move_iterator(behind.begin()),
               std::make_move_iterator(behind.end()));
  nodes.erase(nodes.begin() + from, nodes.begin() + to + 1);
  nodes.insert(nodes.begin() + from, std::make_move_iterator(order.begin()),
               std::make_move_iterator(order.end()));
  remove_marked_nodes(graph);
  return true;
}

// With the tail that alone reads its result; false where there is none that fits.
bool fuse_tail(Graph& graph, NodeId id, std::span<const ValueId> keep) {
  const Node& norm = graph.node(id);
  const ValueId y = norm.outputs[0];
  const auto readers = find_readers(graph);
  const auto& own = readers[static_cast<std::size_t>(y)];
  if (own.size() != 1 || !is_private(graph, y, keep)) return false;
  const Node& after = graph.node(own[0]);
  const Tail tail = match_tail(after, y, graph.info(y).type.dtype);
  if (!tail.matches || !is_private(graph, after.outputs[0], {}) ||
      !is_alike(graph, after.outputs[0], y) || has_write_between(graph, id, own[0])) {
    return false;
  }
  Node fused = norm;
  if (tail.added >= 0) {
    const ValueId residual = after.inputs[static_cast<std::size_t>(tail.added)];
    if (residual == y || !is_alike(graph, residual, y)) return false;
    fused.inputs.push_back(residual);
  }
  fused.outputs[0] = after.outputs[0];
  fused.attributes = with_tail(norm, tail.added >= 0, tail.relu);
  return move_down(graph, std::move(fused), id, own[0]);
}

}  // namespace

void fuse_batch_norm_tails(Graph& graph, std::span<const ValueId> keep) {
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    if (!is_op(node, OpIndex::batch_norm) || !is_plain(node)) continue;
    // Another node stands here then.
    if (fuse_tail(graph, static_cast<NodeId>(i), keep)) --i;
  }
}

void fuse_batch_norm_gradients(Graph& graph, std::span<const ValueId> keep) {
  auto& nodes = graph.nodes();
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    Node& norm = nodes[i];
    if (!is_op(norm, OpIndex::batch_norm_backward) || !is_plain(norm)) continue;
    const ValueId dy = norm.inputs.back();
    const NodeId maker = graph.info(dy).node;
    if (maker < 0 || !is_private(graph, dy, keep)) continue;
    Node& early = nodes[static_cast<std::size_t>(maker)];
    const GradientSum sum = match_gradient_sum(early, graph.info(dy).type.dtype);
    if (sum.a == graph::kNone || has_write_between(graph, maker, static_cast<NodeId>(i))) continue;
    // It moves up to where the gradients are summed: what it reads must be there already.
    const bool all_there = std::all_of(norm.inputs.begin(), norm.inputs.end() - 1,
                                       [&](ValueId v) { return graph.info(v).node < maker; });
    if (!all_there) continue;
    Node fused = norm;
    fused.inputs.pop_back();
    bool is_whole = true;
    for (const ValueId part : {sum.a, sum.b, sum.mask}) {
      if (part == graph::kNone) continue;
      is_whole = is_whole && is_alike(graph, part, dy);
      fused.inputs.push_back(part);
    }
    if (!is_whole) continue;
    fused.outputs.push_back(dy);
    fused.attributes = with_tail(norm, sum.b != graph::kNone, sum.mask != graph::kNone);
    early = std::move(fused);
    norm.op = nullptr;
    for (const ValueId output : early.outputs) graph.info(output).node = maker;
  }
  remove_marked_nodes(graph);
}

}  // namespace stoker::plan
