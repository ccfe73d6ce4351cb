// What the passes ask of the backend that a graph is compiled for. The list of passes is the same
// for all backends (plan/optimize.cpp); they differ in their answers.
#pragma once

#include <functional>

#include "graph/graph.h"

namespace stoker::plan {

// A question about a node as it would be; it need not be one of the graph's.
using Accepts = std::function<bool(const graph::Graph& graph, const graph::Node& node)>;

struct Target {
  // Whether a node of 16-bit values runs as it is.
  Accepts runs_in_16_bits;
  // Whether a kernel, or a library, computes the node with its tail (ops/tail.h), or a
  // batch_norm_backward with its head: otherwise the arithmetic stays a node of its own.
  Accepts takes_tail;
  // conv2d_backward_weights sums the gradient of the bias along.
  bool sums_bias_gradients = false;
  // Arithmetic on single numbers costs a node of its own more than it costs each thread of another
  // node to do it by itself.
  bool inlines_scalars = false;
};

}  // namespace stoker::plan
