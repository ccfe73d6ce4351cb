// What the passes of plan/ ask of a GPU, and what a graph goes through for one after them.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "backend/cuda/dnn_spec.h"
#include "graph/graph.h"

namespace stoker::backend::cuda {

using Accepts = std::function<bool(const DnnSpec&)>;

// Whether the node runs with the tail, or head, that it has: plan::Target's question. Of products
// cuDNN is asked.
bool takes_tail(const graph::Graph& graph, const graph::Node& node, const Accepts& accepts);

// Moves pointwise and reduce nodes that can run at the same time next to each other, to be one
// launch. Returns for each node the last node of its group; most are alone.
std::vector<graph::NodeId> group_nodes(graph::Graph& graph);

}  // namespace stoker::backend::cuda
