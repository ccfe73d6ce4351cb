// Turns a graph into the launches that compute it.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "backend/cuda/plan/dnn_specs.h"
#include "backend/cuda/plan/launch_plan.h"
#include "graph/graph.h"

namespace stoker::backend::cuda {

class DnnCompiler;

// Returns what cuDNN is asked for in place of a node whose op it computes.
DnnSpec spec_of(const graph::Graph& graph, const graph::Node& node, bool tf32 = true);

// Returns the spec itself or, for a matrix product that cuDNN refuses, the same product as a
// convolution. Returns nullopt if cuDNN refuses both.
std::optional<DnnProduct> accepted_product(const DnnSpec& spec, DnnCompiler& dnn);

struct LowerOptions {
  bool tf32 = true;
};

// Lowers the graph. `last_of_group` names, for every node, the last node of those that become one
// launch with it. Nodes that `dnn` refuses become kernels of ours.
LaunchPlan lower(const graph::Graph& graph, std::span<const graph::NodeId> last_of_group,
                 DnnCompiler& dnn, const LowerOptions& options);

}  // namespace stoker::backend::cuda
