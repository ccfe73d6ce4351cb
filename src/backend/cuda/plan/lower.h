// From a graph to the launches that compute it.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "backend/cuda/plan/dnn_specs.h"
#include "backend/cuda/plan/launch_plan.h"
#include "graph/graph.h"

namespace stoker::backend::cuda {

class DnnCompiler;

// What cuDNN is asked for in place of a node whose op it computes.
DnnSpec spec_of(const graph::Graph& graph, const graph::Node& node, bool tf32 = true);

// The spec itself or, of a matrix product that cuDNN refuses, the same as a convolution; nullopt
// where it refuses both.
std::optional<DnnProduct> accepted_product(const DnnSpec& spec, DnnCompiler& dnn);

struct LowerOptions {
  bool tf32 = true;
};

// `last_of_group`: of every node, the last node of those that become one launch with it. Nodes that
// `dnn` refuses become kernels of ours.
LaunchPlan lower(const graph::Graph& graph, std::span<const graph::NodeId> last_of_group,
                 DnnCompiler& dnn, const LowerOptions& options);

}  // namespace stoker::backend::cuda
