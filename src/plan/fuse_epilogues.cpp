// Bias and relu into matmul and conv2d, and the bias gradient into conv2d_backward_weights: the
// result is touched while it is in registers, instead of by a pass over memory of its own.
#include <memory>

#include "plan/match.h"
#include "plan/passes.h"
#include "plan/uses.h"

namespace stoker::plan {

using graph::ExprOp;
using graph::Graph;
using graph::Node;
using graph::NodeId;
using graph::ValueId;

namespace {

template <class A>
void absorb(Node& node, const Tail& tail, ValueId bias) {
  auto attributes = ops::attributes_of<A>(node);
  if (tail.added >= 0) {
    attributes.has_bias = true;
    node.inputs.push_back(bias);
  }
  if (tail.relu) attributes.epilogue = ops::Epilogue::relu;
  node.attributes = std::make_shared<const A>(std::move(attributes));
}

bool can_absorb(const Node& node) {
  if (is_op(node, ops::OpIndex::matmul)) {
    const auto& a = ops::attributes_of<ops::MatMulAttributes>(node);
    return !a.has_bias && a.epilogue == ops::Epilogue::none;
  }
  if (is_op(node, ops::OpIndex::conv2d)) {
    const auto& a = ops::attributes_of<ops::Conv2DAttributes>(node);
    return !a.has_bias && a.epilogue == ops::Epilogue::none;
  }
  return false;
}

}  // namespace

void fuse_epilogues(Graph& graph, std::span<const ValueId> keep) {
  const auto readers = find_readers(graph);
  auto& nodes = graph.nodes();
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (!can_absorb(nodes[i])) continue;
    const ValueId value = nodes[i].outputs[0];
    const auto& own = readers[static_cast<std::size_t>(value)];
    if (own.size() != 1 || !is_private(graph, value, keep)) continue;
    Node& tail_node = nodes[static_cast<std::size_t>(own[0])];
    if (!is_op(tail_node, ops::OpIndex::pointwise)) continue;
    const ValueId result = tail_node.outputs[0];
    if (!(graph.info(result).type.shape == graph.info(value).type.shape) ||
        graph.info(result).type.dtype != graph.info(value).type.dtype) {
      continue;
    }
    const Tail tail = match_tail(tail_node, value, graph.info(result).type.dtype);
    if (!tail.matches) continue;
    // The write would move to where the matmul stands: only temporaries and gradients may.
    const graph::Space space = graph.info(result).home.space;
    if (space != graph::Space::arena && space != graph::Space::gradient) continue;
    ValueId bias = graph::kNone;
    if (tail.added >= 0) {
      bias = tail_node.inputs[static_cast<std::size_t>(tail.added)];
      const graph::ValueInfo& info = graph.info(bias);
      // A leaf is there before the node; anything else might be computed later.
      if (info.node >= 0 || info.type.dtype != graph.info(value).type.dtype ||
          !(info.type.shape == Shape{graph.info(value).type.shape.back()})) {
        continue;
      }
      // It would be read where the matmul stands.
      if (info.home.space != graph::Space::input &&
          has_write_between(graph, static_cast<NodeId>(i), own[0])) {
        continue;
      }
    }
    if (is_op(nodes[i], ops::OpIndex::matmul)) {
      absorb<ops::MatMulAttributes>(nodes[i], tail, bias);
    } else {
      absorb<ops::Conv2DAttributes>(nodes[i], tail, bias);
    }
    nodes[i].outputs[0] = result;
    tail_node.op = nullptr;
  }
  remove_marked_nodes(graph);
}

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
      const auto& root =
          reduce.expression
              .instructions()[static_cast<std::size_t>(reduce.expression.outputs()[0])];
      if (reduce.kind != ops::ReduceKind::sum || reduce.scale != 1.0f || reduce.keep_dims ||
          root.op != ExprOp::input || reduce.axes != std::vector<std::int64_t>{0, 1, 2}) {
        continue;
      }
      // The write would move to where this node stands: only temporaries and gradients may.
      const graph::Space space = graph.info(sum.outputs[0]).home.space;
      if (space != graph::Space::arena && space != graph::Space::gradient) continue;
      // A reader of the sum that stands before this node would come too early.
      const auto& after = readers[static_cast<std::size_t>(sum.outputs[0])];
      if (!after.empty() && after.front() < static_cast<NodeId>(i)) continue;
      auto attributes = ops::attributes_of<ops::Conv2DAttributes>(node);
      attributes.has_bias = true;
      node.attributes = std::make_shared<const ops::Conv2DAttributes>(std::move(attributes));
      node.outputs.push_back(sum.outputs[0]);
      sum.op = nullptr;
      break;
    }
  }
  remove_marked_nodes(graph);
}

}  // namespace stoker::plan
