// Some backends and some ops compute on 16-bit values in float32: values are rounded to the 16-bit
// type where they are stored, and the arithmetic in between is float32's.
#include "plan/match.h"
#include "plan/passes.h"
#include "plan/uses.h"

namespace stoker::plan {

using graph::Graph;
using graph::Node;
using graph::ValueId;

namespace {

Node cast_node(ValueId from, ValueId to, const graph::Origin& origin) {
  ops::PointwiseAttributes attributes;
  attributes.expression.add_output(attributes.expression.input(0));
  return {&ops::op(ops::OpIndex::pointwise),
          {from},
          {to},
          std::make_shared<const ops::PointwiseAttributes>(std::move(attributes)),
          origin};
}

}  // namespace

void widen(Graph& graph, const Accepts& runs_in_16_bits) {
  std::vector<Node> nodes;
  for (Node& node : graph.nodes()) {
    const auto is_narrow = [&](ValueId value) { return is_16bit(graph.info(value).type.dtype); };
    const bool any = std::any_of(node.inputs.begin(), node.inputs.end(), is_narrow) ||
                     std::any_of(node.outputs.begin(), node.outputs.end(), is_narrow);
    if (!any || node.op->traits.takes_any_dtype || runs_in_16_bits(graph, node)) {
      nodes.push_back(std::move(node));
      continue;
    }
    const auto widened = [&](ValueId value) {
      return graph.new_value({DType::float32, graph.info(value).type.shape}, -1);
    };
    Node wide = node;
    std::vector<Node> after;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (!is_narrow(node.inputs[i])) continue;
      wide.inputs[i] = widened(node.inputs[i]);
      nodes.push_back(cast_node(node.inputs[i], wide.inputs[i], node.origin));
    }
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (!is_narrow(node.outputs[i])) continue;
      wide.outputs[i] = widened(node.outputs[i]);
      after.push_back(cast_node(wide.outputs[i], node.outputs[i], node.origin));
    }
    nodes.push_back(std::move(wide));
    for (Node& cast : after) nodes.push_back(std::move(cast));
  }
  set_nodes(graph, std::move(nodes));
}

}  // namespace stoker::plan
