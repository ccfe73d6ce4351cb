// The optimizer's update as ops: clipping, then one fused op over the flat buffers.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"
#include "optimizers/optimizer.h"
#include "train/network/network.h"

namespace stoker::train {

// `has_gradient` says which weights have a gradient. The others keep their values. Weights whose
// names hold one of `without_decay` do not decay.
void append_update(graph::Graph& graph, const Network& network,
                   const optimizers::OptimizerBase& optimizer,
                   const std::vector<bool>& has_gradient,
                   const std::vector<std::string>& without_decay = {});

// Returns the largest gradient by magnitude, of shape (), which is NaN or infinite when one of them
// is. Checking the loss is not enough: in the forward pass relu and max pooling may drop a NaN that
// still reaches the gradients of the weights.
graph::Value largest_gradient(graph::Graph& graph, const Network& network);
// Returns the same of the weights that have a gradient.
graph::Value largest_gradient(graph::Graph& graph, const Network& network,
                              const std::vector<bool>& has_gradient);

}  // namespace stoker::train
