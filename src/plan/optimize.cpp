#include "plan/passes.h"
#include "plan/program.h"

namespace stoker::plan {

void optimize(graph::Graph& graph, std::span<const graph::ValueId> keep, const Target& target) {
  eliminate_dead_nodes(graph, keep);
  sink_relu_gradients(graph, keep);
  fuse_pointwise(graph, keep);
  fuse_tails(graph, keep, target.takes_tail);
  if (target.inlines_scalars) inline_scalars(graph, keep);
  // This runs after fuse_tails, because only what no product has taken as its tail is left for the
  // batch norm.
  fuse_batch_norm_gradients(graph, keep, target.takes_tail);
  if (target.sums_bias_gradients) fuse_bias_gradients(graph, keep);
}

}  // namespace stoker::plan
