// The passes that a graph goes through for a GPU after those of plan/.
#pragma once

#include <vector>

#include "graph/graph.h"

namespace stoker::backend::cuda {

// Moves pointwise and reduce nodes that can run at the same time next to each other, so that they
// can become one launch. Returns for each node the last node of its group; most are alone.
std::vector<graph::NodeId> group_nodes(graph::Graph& graph);

}  // namespace stoker::backend::cuda
