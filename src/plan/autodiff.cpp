#include "plan/autodiff.h"

#include "core/format.h"
#include "ops/ops.h"
#include "stoker/error.h"

namespace stoker::plan {

using graph::Graph;
using graph::Node;
using graph::NodeId;
using graph::Value;

namespace {

// Marks the values that depend on one of the leaves. Only they need gradients.
std::vector<bool> find_dependent(const Graph& graph, std::span<const Value> leaves) {
  std::vector<bool> dependent(graph.value_count(), false);
  for (const Value& leaf : leaves) dependent[static_cast<std::size_t>(leaf.id)] = true;
  for (const Node& node : graph.nodes()) {
    bool any = false;
    for (const auto input : node.inputs) any = any || dependent[static_cast<std::size_t>(input)];
    if (!any) continue;
    for (const auto output : node.outputs) dependent[static_cast<std::size_t>(output)] = true;
  }
  return dependent;
}

// A conversion passes its gradient on unchanged: rounding the gradient for a 16-bit result, only to
// widen it again for the operand, would lose digits for nothing.
bool is_cast(const Node& node) {
  if (!ops::is_op(node, ops::OpIndex::pointwise) || node.inputs.size() != 1) return false;
  const auto& expression = ops::attributes_of<ops::PointwiseAttributes>(node).expression;
  const auto root = static_cast<std::size_t>(expression.outputs()[0]);
  return node.outputs.size() == 1 && expression.instructions()[root].op == graph::ExprOp::input;
}

}  // namespace

std::vector<Value> differentiate(Graph& graph, Value loss, std::span<const Value> leaves,
                                 Value seed) {
  const std::vector<bool> dependent = find_dependent(graph, leaves);
  std::vector<Value> gradients(graph.value_count());
  const auto node_count = static_cast<NodeId>(graph.nodes().size());
  {
    const graph::Scope scope(graph, {graph::Origin::Kind::loss, "loss", true});
    gradients[static_cast<std::size_t>(loss.id)] = seed ? seed : ops::fill(graph, {}, 1.0f);
  }

  for (NodeId id = node_count - 1; id >= 0; --id) {
    const Node node = graph.node(id);  // This is a copy because gradient rules append nodes.
    std::vector<Value> incoming;
    bool any = false;
    for (const auto output : node.outputs) {
      incoming.push_back(gradients[static_cast<std::size_t>(output)]);
      any = any || incoming.back();
    }
    const bool keeps_types = is_cast(node);
    bool wanted = false;
    for (const auto input : node.inputs)
      wanted = wanted || dependent[static_cast<std::size_t>(input)];
    if (!any || !wanted) continue;
    if (node.op->gradient == nullptr) {
      throw Error(format(node.origin.text(), ": op ", node.op->name, " has no gradient (",
                         node.op->why_no_gradient, ")"));
    }
    const graph::Scope scope(graph, node.origin.gradient());
    for (std::size_t i = 0; i < incoming.size() && !keeps_types; ++i) {
      if (incoming[i]) incoming[i] = ops::cast(incoming[i], graph.value(node.outputs[i]).dtype());
    }
    const std::vector<Value> outgoing = node.op->gradient(graph, id, incoming);
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const auto input = static_cast<std::size_t>(node.inputs[i]);
      if (!outgoing[i] || !dependent[input]) continue;
      gradients[input] = gradients[input] ? ops::add(gradients[input], outgoing[i]) : outgoing[i];
    }
  }

  std::vector<Value> result;
  for (const Value& leaf : leaves) result.push_back(gradients[static_cast<std::size_t>(leaf.id)]);
  return result;
}

}  // namespace stoker::plan
