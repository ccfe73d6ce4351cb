// Rewrites of a step's graph, in the order in which plan::compile runs them. Each keeps what the
// step computes; each has a test that shows the op list before and after.
#pragma once

#include <functional>
#include <span>

#include "graph/graph.h"

namespace stoker::plan {

// Lets nodes of 16-bit values run on float32 ones between conversions, but for those that a backend
// runs as they are. Needed whether a graph is optimized or not, and before the passes, which fuse
// the conversions.
void widen(graph::Graph& graph, const std::function<bool(const graph::Node&)>& runs_in_16_bits);

// Removes nodes that neither write outside of the arena nor lead to one that does, or to `keep`.
void eliminate_dead_nodes(graph::Graph& graph, std::span<const graph::ValueId> keep);

// Masks the gradient of max pooling by relu before it is spread over the windows, not after.
void sink_relu_gradients(graph::Graph& graph, std::span<const graph::ValueId> keep);

// Splices a pointwise node into the pointwise or reduce node that alone reads it.
void fuse_pointwise(graph::Graph& graph, std::span<const graph::ValueId> keep);

// Arithmetic on single numbers goes into the pointwise node that alone reads it, whatever that
// one's shape: for backends where each thread can do it by itself and a node of its own costs more.
// Not part of optimize().
void inline_scalars(graph::Graph& graph, std::span<const graph::ValueId> keep);

// Moves the bias that follows a matmul or conv2d, and a relu, into the node.
void fuse_epilogues(graph::Graph& graph, std::span<const graph::ValueId> keep);

// Lets conv2d_backward_weights sum the bias gradient, in place of a reduce of its own.
void fuse_bias_gradients(graph::Graph& graph, std::span<const graph::ValueId> keep);

// Moves what follows a batch_norm, adding another value of the same shape and relu, into the node,
// which takes its place. For backends that write the result by a pass of their own. Not part of
// optimize().
void fuse_batch_norm_tails(graph::Graph& graph, std::span<const graph::ValueId> keep);

// Moves the sum of two gradients, and relu's gradient, into the batch_norm_backward that reads
// them, which takes their place. Not part of optimize().
void fuse_batch_norm_gradients(graph::Graph& graph, std::span<const graph::ValueId> keep);

}  // namespace stoker::plan
