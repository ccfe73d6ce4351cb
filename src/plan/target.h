// A target is what the passes ask of the backend that a graph is compiled for. The list of passes
// is the same for all backends (plan/optimize.cpp); only the answers differ.
#pragma once

#include <functional>

#include "graph/graph.h"

namespace stoker::plan {

// Answers a question about a node that a pass would make. The node need not be in the graph.
using Accepts = std::function<bool(const graph::Graph& graph, const graph::Node& node)>;

struct Target {
  // Whether a node of 16-bit values runs as it is, without conversions to float32.
  Accepts runs_in_16_bits;
  // Whether a kernel or a library computes the node with its tail (ops/tail.h), or a
  // batch_norm_backward with its head. Otherwise the arithmetic stays a node of its own.
  Accepts takes_tail;
  // Whether conv2d_backward_weights also sums the gradient of the bias.
  bool sums_bias_gradients = false;
  // Whether arithmetic on single numbers is cheaper when each thread of another node does it by
  // itself than as a separate node.
  bool inlines_scalars = false;
};

}  // namespace stoker::plan
