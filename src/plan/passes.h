// The passes rewrite a step's graph, in the order in which plan::optimize runs them. Each keeps the
// results of the step, and each has a test that shows the op list before and after.
#pragma once

#include <span>

#include "graph/graph.h"
#include "plan/target.h"

namespace stoker::plan {

// Lets nodes of 16-bit values compute in float32 between conversions, except for the nodes that a
// backend runs as they are. Every graph needs this, optimized or not, and it comes before the other
// passes because they fuse the conversions.
void widen(graph::Graph& graph, const Accepts& runs_in_16_bits);

// Removes nodes that neither write outside of the arena, nor are in `keep`, nor lead to a node that
// does or is.
void eliminate_dead_nodes(graph::Graph& graph, std::span<const graph::ValueId> keep);

// Masks the gradient of max pooling by relu's before it is spread over the windows instead of
// after.
void sink_relu_gradients(graph::Graph& graph, std::span<const graph::ValueId> keep);

// Splices a pointwise node into the pointwise or reduce node that alone reads it.
void fuse_pointwise(graph::Graph& graph, std::span<const graph::ValueId> keep);

// Moves a node that alone reads an op's result into the op as its tail, where the backend `takes`
// it.
void fuse_tails(graph::Graph& graph, std::span<const graph::ValueId> keep, const Accepts& takes);

// Moves arithmetic on single numbers into the pointwise node that alone reads it, whatever the
// shape of that node. This serves backends where each thread can do such arithmetic by itself and a
// separate node costs more.
void inline_scalars(graph::Graph& graph, std::span<const graph::ValueId> keep);

// Moves the arithmetic that computes the gradient of a batch norm's result into the
// batch_norm_backward as its head, where the backend `takes` it. The fused node stands where the
// arithmetic stood.
void fuse_batch_norm_gradients(graph::Graph& graph, std::span<const graph::ValueId> keep,
                               const Accepts& takes);

// Lets conv2d_backward_weights sum the bias gradient instead of a separate reduce.
void fuse_bias_gradients(graph::Graph& graph, std::span<const graph::ValueId> keep);

}  // namespace stoker::plan
