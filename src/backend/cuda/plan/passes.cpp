#include "backend/cuda/plan/passes.h"

#include <algorithm>
#include <utility>

#include "backend/cuda/ops/cuda_op.h"
#include "plan/uses.h"

namespace stoker::backend::cuda {

using graph::Graph;
using graph::Node;
using graph::NodeId;
using graph::Space;
using graph::ValueId;

namespace {

struct Region {
  graph::Home home;
  std::int64_t bytes = 0;
};

bool overlap(const Region& a, const Region& b) {
  return a.home.space == b.home.space && a.home.index == b.home.index &&
         a.home.offset < b.home.offset + b.bytes && b.home.offset < a.home.offset + a.bytes;
}

// Returns the memory of values outside of the arena. Values in the arena have no places yet.
std::vector<Region> regions(const Graph& graph, const std::vector<ValueId>& values) {
  std::vector<Region> result;
  for (const ValueId value : values) {
    const graph::ValueInfo& info = graph.info(value);
    if (info.home.space == Space::arena || info.home.space == Space::input) continue;
    result.push_back({info.home, info.type.shape.elements() *
                                     static_cast<std::int64_t>(size_of(info.type.dtype))});
  }
  return result;
}

bool any_overlap(const std::vector<Region>& a, const std::vector<Region>& b) {
  return std::any_of(a.begin(), a.end(), [&](const Region& x) {
    return std::any_of(b.begin(), b.end(), [&](const Region& y) { return overlap(x, y); });
  });
}

bool reads_scalars(const Graph& graph, const Node& node) {
  for (const ValueId input : node.inputs) {
    if (graph.info(input).home.space == Space::scalar) return true;
  }
  const graph::Traits::ReadsScalars reads = node.op->traits.reads_scalars;
  return reads != nullptr && reads(node);
}

// Returns whether `early`, which stands before `late`, must also run before it.
bool must_precede(const Graph& graph, const Node& early, const Node& late) {
  for (const ValueId output : early.outputs) {
    if (plan::contains(late.inputs, output)) return true;
  }
  if (reads_scalars(graph, early) && late.op->traits.writes_scalars) return true;
  const auto reads = regions(graph, early.inputs);
  const auto writes = regions(graph, early.outputs);
  const auto later_writes = regions(graph, late.outputs);
  return any_overlap(reads, later_writes) || any_overlap(writes, later_writes) ||
         any_overlap(writes, regions(graph, late.inputs));
}

}  // namespace

std::vector<NodeId> group_nodes(Graph& graph) {
  std::vector<Node> order;
  std::vector<NodeId> last_of_group;
  std::vector<Node> pending;
  const auto flush = [&] {
    const auto last = static_cast<NodeId>(order.size() + pending.size()) - 1;
    for (Node& node : pending) {
      order.push_back(std::move(node));
      last_of_group.push_back(last);
    }
    pending.clear();
  };
  for (Node& node : graph.nodes()) {
    const bool waits = std::any_of(pending.begin(), pending.end(), [&](const Node& early) {
      return must_precede(graph, early, node);
    });
    if (waits) flush();
    if (cuda_op(node).generate != nullptr) {
      pending.push_back(std::move(node));
    } else {
      last_of_group.push_back(static_cast<NodeId>(order.size()));
      order.push_back(std::move(node));
    }
  }
  flush();
  plan::set_nodes(graph, std::move(order));
  return last_of_group;
}

}  // namespace stoker::backend::cuda
