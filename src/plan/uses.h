// Who reads each value: what passes ask of a graph.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "graph/graph.h"

namespace stoker::plan {

// readers[v]: the nodes that read value v, in order; a node that reads it twice stands twice.
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

// A node without op has been removed by a pass; this drops them and renumbers.
void remove_marked_nodes(graph::Graph& graph);

}  // namespace stoker::plan
