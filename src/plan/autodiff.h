// Reverse-mode differentiation of a graph.
#pragma once

#include <span>
#include <vector>

#include "graph/graph.h"

namespace stoker::plan {

// Appends the nodes that compute the gradients of `loss` (shape (), float32) with respect to
// `leaves`, and returns these gradients. A gradient has the type in which its rule makes it
// (float32 or the leaf's), and is invalid where the loss does not depend on the leaf. `seed` (shape
// ()) is the gradient of the loss itself, 1 unless given. Throws Error when the loss depends on a
// leaf through an op that has no gradient. Whole numbers (argmax) pass no gradient on without an
// error, because a model may make its own labels, as in Keras.
std::vector<graph::Value> differentiate(graph::Graph& graph, graph::Value loss,
                                        std::span<const graph::Value> leaves,
                                        graph::Value seed = {});

}  // namespace stoker::plan
