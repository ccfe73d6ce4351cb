#include "plan/passes.h"
#include "plan/program.h"

namespace stoker::plan {

void optimize(graph::Graph& graph, std::vector<graph::ValueId> keep) {
  eliminate_dead_nodes(graph, keep);
  sink_relu_gradients(graph, keep);
  fuse_pointwise(graph, keep);
  fuse_epilogues(graph, keep);
  fuse_bias_gradients(graph, keep);
}

}  // namespace stoker::plan
