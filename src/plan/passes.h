// Rewrites of a step's graph, in the order in which plan::optimize runs them. Each keeps what the
// step computes; each has a test that shows the op list before and after.
#pragma once

#include <span>

#include "graph/graph.h"
#include "plan/target.h"

namespace stoker::plan {

// Lets nodes of 16-bit values run on float32 ones between conversions, but for those that a backend
// runs as they are. Needed whether a graph is optimized or not, and before the passes, which fuse
// the conversions.
void widen(graph::Graph& graph, const Accepts& runs_in_16_bits);

// Removes nodes that neither write outside of the arena nor lead to one that does, or to `keep`.
void eliminate_dead_nodes(graph::Graph& graph, std::span<const graph::ValueId> keep);

// Masks the gradient of max pooling by relu before it is spread over the windows, not after.
void sink_relu_gradients(graph::Graph& graph, std::span<const graph::ValueId> keep);

// Splices a pointwise node into the pointwise or reduce node that alone reads it.
void fuse_pointwise(graph::Graph& graph, std::span<const graph::ValueId> keep);

// Moves what alone reads an op's result into the op, where the backend `takes` that as its tail.
void fuse_tails(graph::Graph& graph, std::span<const graph::ValueId> keep, const Accepts& takes);

// Arithmetic on single numbers goes into the pointwise node that alone reads it, whatever that
// one's shape: for backends where each thread can do it by itself and a node of its own costs more.
void inline_scalars(graph::Graph& graph, std::span<const graph::ValueId> keep);

// Moves the arithmetic that makes the gradient of a batch norm's result into the
// batch_norm_backward, which takes its place, where the backend `takes` that as its head.
void fuse_batch_norm_gradients(graph::Graph& graph, std::span<const graph::ValueId> keep,
                               const Accepts& takes);

// Lets conv2d_backward_weights sum the bias gradient, in place of a reduce of its own.
void fuse_bias_gradients(graph::Graph& graph, std::span<const graph::ValueId> keep);

}  // namespace stoker::plan
