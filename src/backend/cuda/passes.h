// What a graph goes through for a GPU after the passes of plan/: fewer launches, and nothing that
// cuDNN refuses.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "backend/cuda/dnn_spec.h"
#include "graph/graph.h"

namespace stoker::backend::cuda {

using Accepts = std::function<bool(const DnnSpec&)>;

// Moves relu's gradient into the matmul or conv2d_backward_data before it, where cuDNN takes that.
void fuse_relu_gradients(graph::Graph& graph, std::span<const graph::ValueId> keep,
                         const Accepts& accepts);

// Takes bias and relu out of a matmul or conv2d again where cuDNN takes the product alone.
void split_refused(graph::Graph& graph, const Accepts& accepts);

// Moves pointwise and reduce nodes that can run at the same time next to each other, to be one
// launch. Returns for each node the last node of its group; most are alone.
std::vector<graph::NodeId> group_nodes(graph::Graph& graph);

}  // namespace stoker::backend::cuda
