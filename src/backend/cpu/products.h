// What products take on the CPU. Which run on bfloat16 as they are: plan::widen makes float32 ones
// of the others. And which tails.
#pragma once

#include "graph/graph.h"

namespace stoker::backend::cpu {

// Whether this processor has the instructions, and oneDNN a kernel that uses them, for the node as
// it stands and with what plan::optimize may move into it: a bias and relu.
bool runs_in_bfloat16(const graph::Graph& graph, const graph::Node& node);

// Whether oneDNN, and our loops for small products, apply the node's tail: a bias and relu.
bool takes_tail(const graph::Graph& graph, const graph::Node& node);

// Each for the ops of one file, where the instructions are there and all values are bfloat16.
bool matmul_runs_in_bfloat16(const graph::Graph& graph, const graph::Node& node);
bool conv2d_runs_in_bfloat16(const graph::Graph& graph, const graph::Node& node);

}  // namespace stoker::backend::cpu
