// The readers of each value, and other questions that passes ask of a graph.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "graph/graph.h"

namespace stoker::plan {

// readers[v] are the nodes that read value v, in order. A node that reads it twice is listed twice.
inline std::vector<std::vector<graph::NodeId>> find_readers(const graph::Graph& graph) {
  std::vector<std::vector<graph::NodeId>> readers(graph.value_count());
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    for (const auto input : graph.nodes()[i].inputs) {
      readers[static_cast<std::size_t>(input)].push_back(static_cast<graph::NodeId>(i));
    }
  }
  return readers;
}

inline bool contains(std::span<const graph::ValueId> values, graph::ValueId value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

// Whether the value is a temporary that only nodes of this graph see.
inline bool is_private(const graph::Graph& graph, graph::ValueId value,
                       std::span<const graph::ValueId> keep) {
  return graph.info(value).node >= 0 && graph.info(value).home.space == graph::Space::arena &&
         !contains(keep, value);
}

// The space that the value lies in. A view of a value outside of the arena lies there too.
inline graph::Space space_of(const graph::Graph& graph, graph::ValueId value) {
  while (true) {
    const graph::ValueInfo& info = graph.info(value);
    if (info.home.space != graph::Space::arena || info.node < 0) return info.home.space;
    const graph::Node& node = graph.node(info.node);
    if (node.op == nullptr || !node.op->traits.is_view) return graph::Space::arena;
    value = node.inputs[0];
  }
}

// Whether a node between the two changes counters, weights or totals. Gradients do not count,
// because they are written once and only the update reads them.
inline bool has_write_between(const graph::Graph& graph, graph::NodeId first, graph::NodeId last) {
  for (graph::NodeId i = first + 1; i < last; ++i) {
    const graph::Node& node = graph.node(i);
    if (node.op == nullptr) continue;
    if (node.outputs.empty()) return true;
    for (const auto output : node.outputs) {
      const graph::Space space = graph.info(output).home.space;
      if (space != graph::Space::arena && space != graph::Space::gradient) return true;
    }
  }
  return false;
}

// Gives the graph these nodes, which are its own in a new order or with new ones between them.
void set_nodes(graph::Graph& graph, std::vector<graph::Node> nodes);

// A pass removes a node by taking its op away. This function drops such nodes and renumbers the
// others.
void remove_marked_nodes(graph::Graph& graph);

}  // namespace stoker::plan
