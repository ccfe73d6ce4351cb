// This pass moves a node that alone reads the result of an op into that op as its tail, where the
// backend accepts the expression on that op. The result is then processed while it is in registers,
// which saves a pass over memory and a kernel launch.
#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "ops/tail.h"
#include "plan/match.h"
#include "plan/passes.h"
#include "plan/uses.h"

namespace stoker::plan {

using graph::Expression;
using graph::Graph;
using graph::Node;
using graph::NodeId;
using graph::Space;
using graph::ValueId;

namespace {

// Replaces node `to` by `node`, and removes node `from`, which stands before it. Nodes between them
// that depend on the outputs of `node` move behind it. Returns false and changes nothing where
// `node` depends on one of those. The nodes outside of this stretch keep their numbers.
bool move_down(Graph& graph, Node node, NodeId from, NodeId to) {
  auto& nodes = graph.nodes();
  std::vector<ValueId> late = graph.node(from).outputs;
  const auto depends = [&](const Node& other) {
    return std::any_of(other.inputs.begin(), other.inputs.end(),
                       [&](ValueId input) { return contains(late, input); });
  };
  std::vector<Node> order, behind;
  for (NodeId i = from + 1; i < to; ++i) {
    const Node& between = graph.node(i);
    if (between.op == nullptr) continue;
    if (depends(between)) {
      late.insert(late.end(), between.outputs.begin(), between.outputs.end());
      behind.push_back(between);
    } else {
      order.push_back(between);
    }
  }
  if (depends(node)) return false;
  order.push_back(std::move(node));
  order.insert(order.end(), std::make_move_iterator(behind.begin()),
               std::make_move_iterator(behind.end()));
  // Removed nodes fill the places at the end.
  order.resize(static_cast<std::size_t>(to - from) + 1);
  for (std::size_t k = 0; k < order.size(); ++k) {
    const auto id = from + static_cast<NodeId>(k);
    for (const ValueId output : order[k].outputs) graph.info(output).node = id;
    nodes[static_cast<std::size_t>(id)] = std::move(order[k]);
  }
  return true;
}

// Returns `node` with `after`, which reads its result, as its tail. Returns nullopt where `after`
// is not plain arithmetic, or its result differs in type or shape from the node's.
std::optional<Node> with_tail(const Graph& graph, const Node& node, const Node& after) {
  const Expression* expression = plain_expression(after);
  if (expression == nullptr) return std::nullopt;
  const ValueId value = node.outputs[0];
  const graph::ValueType& own = graph.info(value).type;
  const graph::ValueType& result = graph.info(after.outputs[0]).type;
  if (own.dtype != result.dtype || !(own.shape == result.shape)) return std::nullopt;

  Expression tail;
  std::vector<ValueId> inputs{value};
  tail.input(0);
  std::vector<std::int32_t> ids;
  for (const ValueId input : after.inputs) {
    auto found = std::find(inputs.begin(), inputs.end(), input);
    if (found == inputs.end()) found = inputs.insert(found, input);
    ids.push_back(tail.input(static_cast<int>(found - inputs.begin())));
  }
  tail.add_output(tail.splice(*expression, ids)[0]);
  std::vector<int> kept;
  tail = without_early_rounding(tail, own.dtype).compacted(&kept);
  if (kept.empty() || kept[0] != 0) return std::nullopt;

  Node fused = node;
  for (const int k : kept) {
    if (k > 0) fused.inputs.push_back(inputs[static_cast<std::size_t>(k)]);
  }
  fused.attributes = node.op->traits.with_tail(*node.attributes, tail);
  fused.outputs[0] = after.outputs[0];
  return fused;
}

// Whether the values that the tail reads at node `tail` can be read unchanged at node `at` already.
bool is_readable(const Graph& graph, const Node& fused, std::size_t own_inputs, NodeId at,
                 NodeId tail) {
  bool reads_state = false;
  for (std::size_t i = own_inputs; i < fused.inputs.size(); ++i) {
    const ValueId input = fused.inputs[i];
    if (graph.info(input).node >= at) return false;
    const Space space = space_of(graph, input);
    reads_state = reads_state || (space != Space::arena && space != Space::input);
  }
  return !reads_state || !has_write_between(graph, at, tail);
}

// The tail's result is written earlier once the node writes it. Only temporaries and gradients may
// be.
bool may_write_early(const Graph& graph, ValueId value) {
  const Space space = graph.info(value).home.space;
  return space == Space::arena || space == Space::gradient;
}

}  // namespace

void fuse_tails(Graph& graph, std::span<const ValueId> keep, const Accepts& takes) {
  auto& nodes = graph.nodes();
  auto readers = find_readers(graph);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const Node& node = nodes[i];
    if (node.op == nullptr || node.op->traits.with_tail == nullptr) continue;
    if (!ops::tail_of(node).outputs().empty()) continue;
    const ValueId value = node.outputs[0];
    const auto& own = readers[static_cast<std::size_t>(value)];
    if (own.size() != 1 || !is_private(graph, value, keep)) continue;
    const NodeId at = static_cast<NodeId>(i), after = own[0];
    const ValueId result = graph.node(after).outputs.empty() ? value : graph.node(after).outputs[0];
    std::optional<Node> fused = with_tail(graph, node, graph.node(after));
    if (!fused || !takes(graph, *fused)) continue;

    // A batch norm moves down to the place of its tail, where the shortcut of a residual network
    // has been computed. All other nodes stay: moving them would keep their operands alive for
    // longer, while those of a batch norm live on anyway because its gradient needs them.
    if (is_op(node, ops::OpIndex::batch_norm)) {
      if (!is_private(graph, result, {}) || has_write_between(graph, at, after)) continue;
      if (!move_down(graph, std::move(*fused), at, after)) continue;
      readers = find_readers(graph);
      --i;  // The loop looks at this place again because another node stands here now.
      continue;
    }
    if (!may_write_early(graph, result)) continue;
    if (!is_readable(graph, *fused, node.inputs.size(), at, after)) continue;
    nodes[i] = std::move(*fused);
    graph.info(result).node = at;
    nodes[static_cast<std::size_t>(after)] = {};
  }
  remove_marked_nodes(graph);
}

}  // namespace stoker::plan
