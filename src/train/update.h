// The optimizer's update as ops: clipping, then one fused op over the flat buffers.
#pragma once

#include <vector>

#include "graph/graph.h"
#include "optimizers/optimizer.h"
#include "train/network.h"

namespace stoker::train {

// `has_gradient` by weight: the others keep their values.
void append_update(graph::Graph& graph, const Network& network,
                   const optimizers::OptimizerBase& optimizer,
                   const std::vector<bool>& has_gradient);

}  // namespace stoker::train
