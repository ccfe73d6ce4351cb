// This pass removes dead nodes: gradients that nobody asked for, and branches of a gradient rule
// that were not needed.
#include "plan/passes.h"
#include "plan/uses.h"

namespace stoker::plan {

using graph::Graph;
using graph::Node;

void set_nodes(Graph& graph, std::vector<Node> nodes) {
  graph.nodes() = std::move(nodes);
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    for (const auto output : graph.nodes()[i].outputs) {
      graph.info(output).node = static_cast<graph::NodeId>(i);
    }
  }
}

void remove_marked_nodes(Graph& graph) {
  std::vector<Node> kept;
  for (Node& node : graph.nodes()) {
    if (node.op != nullptr) kept.push_back(std::move(node));
  }
  set_nodes(graph, std::move(kept));
}

void eliminate_dead_nodes(Graph& graph, std::span<const graph::ValueId> keep) {
  std::vector<bool> needed(graph.value_count(), false);
  for (const auto value : keep) needed[static_cast<std::size_t>(value)] = true;
  auto& nodes = graph.nodes();
  for (std::size_t i = nodes.size(); i-- > 0;) {
    Node& node = nodes[i];
    bool live = node.outputs.empty();  // A node without outputs is there for its effect.
    for (const auto output : node.outputs) {
      live = live || needed[static_cast<std::size_t>(output)] ||
             graph.info(output).home.space != graph::Space::arena;
    }
    if (!live) {
      node.op = nullptr;
      continue;
    }
    for (const auto input : node.inputs) needed[static_cast<std::size_t>(input)] = true;
  }
  remove_marked_nodes(graph);
}

}  // namespace stoker::plan
