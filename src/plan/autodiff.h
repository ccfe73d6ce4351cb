// Reverse-mode differentiation of a graph.
#pragma once

#include <span>
#include <vector>

#include "graph/graph.h"

namespace stoker::plan {

// Appends the nodes that compute the gradients of `loss` (shape (), float32) with respect to
// `leaves`, and returns them; invalid where the loss does not depend on a leaf. Throws Error when
// it does through an op that has no gradient. Whole numbers (argmax) hand no gradient on, and that
// is no error: as in Keras, a model may make its own labels.
std::vector<graph::Value> differentiate(graph::Graph& graph, graph::Value loss,
                                        std::span<const graph::Value> leaves);

}  // namespace stoker::plan
