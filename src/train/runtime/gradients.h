// The gradients of weights, and where a step writes them.
#pragma once

#include <span>
#include <vector>

#include "graph/graph.h"
#include "train/runtime/step_context.h"

namespace stoker::train {

// The numbers of the weights that layers have asked for and that are trained.
std::vector<std::size_t> trained_weights(const Network& network, const StepContext& context,
                                         const Compiled& compiled);

// Appends the gradients of the loss by these weights; invalid for one that the loss does not depend
// on. `seed` is the gradient of the loss itself, 1 where it is invalid.
std::vector<graph::Value> gradients_of(graph::Graph& graph, const Network& network,
                                       const StepContext& context,
                                       std::span<const std::size_t> weights, graph::Value loss,
                                       graph::Value seed = {});

// Writes a gradient to its weight's segment of the gradient buffer.
void write_gradient(graph::Graph& graph, const Weight& weight, graph::Value gradient);

// Writes the values that layers gave to trained weights, which the optimizer moves on from.
void write_replaced(const Network& network, const StepContext::Updates& replaced);

}  // namespace stoker::train
