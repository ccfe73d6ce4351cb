// This pass moves the gradient of a bias into conv2d_backward_weights, which reads the summed
// values anyway.
#include <memory>

#include "plan/match.h"
#include "plan/passes.h"
#include "plan/uses.h"

namespace stoker::plan {

using graph::Graph;
using graph::Node;
using graph::NodeId;
using graph::ValueId;

void fuse_bias_gradients(Graph& graph, std::span<const ValueId>) {
  const auto readers = find_readers(graph);
  auto& nodes = graph.nodes();
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    Node& node = nodes[i];
    if (!is_op(node, ops::OpIndex::conv2d_backward_weights) || node.outputs.size() != 1) continue;
    const ValueId dy = node.inputs[1];
    for (const NodeId reader : readers[static_cast<std::size_t>(dy)]) {
      Node& sum = nodes[static_cast<std::size_t>(reader)];
      if (!is_op(sum, ops::OpIndex::reduce) || sum.inputs.size() != 1) continue;
      const auto& reduce = ops::attributes_of<ops::ReduceAttributes>(sum);
      if (reduce.kind != ops::ReduceKind::sum || reduce.scale != 1.0f || reduce.keep_dims ||
          !(reduce.expression == graph::identity()) ||
          reduce.axes != std::vector<std::int64_t>{0, 1, 2}) {
        continue;
      }
      // The sum would be written earlier, by this node. Only temporaries and gradients may be.
      const graph::Space space = graph.info(sum.outputs[0]).home.space;
      if (space != graph::Space::arena && space != graph::Space::gradient) continue;
      // A reader of the sum that stands before this node would read it before it is written.
      const auto& after = readers[static_cast<std::size_t>(sum.outputs[0])];
      if (!after.empty() && after.front() < static_cast<NodeId>(i)) continue;
      auto attributes = ops::attributes_of<ops::Conv2DAttributes>(node);
      attributes.bias_gradient = true;
      node.attributes = std::make_shared<const ops::Conv2DAttributes>(std::move(attributes));
      node.outputs.push_back(sum.outputs[0]);
      sum.op = nullptr;
      break;
    }
  }
  remove_marked_nodes(graph);
}

}  // namespace stoker::plan
