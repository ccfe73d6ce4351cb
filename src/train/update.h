// The optimizer's update as ops: clipping, then one fused op over the flat buffers.
#pragma once

#include <vector>

#include "graph/graph.h"
#include "optimizers/optimizer.h"
#include "train/network.h"

namespace stoker::train {

// `has_gradient` says by weight which have one; the others keep their values.
void append_update(graph::Graph& graph, const Network& network,
                   const optimizers::OptimizerBase& optimizer,
                   const std::vector<bool>& has_gradient);

// Returns the largest gradient by magnitude, of shape (): NaN or infinite when one of them is. The
// loss alone does not tell: relu and max pooling may drop a NaN on the way forward that the
// gradients of the weights still meet.
graph::Value largest_gradient(graph::Graph& graph, const Network& network);

}  // namespace stoker::train
