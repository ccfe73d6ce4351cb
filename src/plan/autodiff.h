// Reverse-mode differentiation of a graph.
#pragma once

#include <span>
#include <vector>

#include "graph/graph.h"

namespace stoker::plan {

// Appends the nodes that compute the gradients of `loss` (shape (), float32) with respect to
// `leaves`, and returns them, in the type in which they come (float32 or the leaf's); invalid where
// the loss does not depend on a leaf. `seed` (shape ()) is the gradient of the loss itself, 1
// unless given. Throws Error when it does through an op that has no gradient. Whole numbers
// (argmax) hand no gradient on, and that is no error: as in Keras, a model may make its own labels.
std::vector<graph::Value> differentiate(graph::Graph& graph, graph::Value loss,
                                        std::span<const graph::Value> leaves,
                                        graph::Value seed = {});

}  // namespace stoker::plan
