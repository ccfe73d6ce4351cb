// batch_norm over all axes but the last, with the batch's own statistics (Ioffe, Szegedy 2015).
#include "ops/common.h"
#include "ops/tail.h"

namespace stoker::ops {
namespace {

// Gradients reach x, gamma and beta through y alone, because the moving statistics are not
// differentiated.
std::vector<Value> gradient(Graph& graph, NodeId id, std::span<const Value> dy) {
  if (!dy[0]) return std::vector<Value>(3);
  const Node node = graph.node(id);
  const Value x = graph.value(node.inputs[0]);
  const Value gamma = graph.value(node.inputs[1]);
  return graph.append(
      op(OpIndex::batch_norm_backward),
      {x, gamma, graph.value(node.outputs[1]), graph.value(node.outputs[2]), dy[0]},
      node.attributes,
      {{x.dtype(), x.shape()}, {DType::float32, gamma.shape()}, {DType::float32, gamma.shape()}});
}

}  // namespace

const Op batch_norm_op = define("batch_norm", OpIndex::batch_norm, gradient,
                                {.takes_any_dtype = false,
                                 .writes_scalars = false,
                                 .multiply_adds = nullptr,
                                 .with_tail = with_tail<BatchNormAttributes>});
const Op batch_norm_backward_op = define_without_gradient(
    "batch_norm_backward", OpIndex::batch_norm_backward, "second derivatives are not offered",
    {.takes_any_dtype = false, .writes_scalars = false, .multiply_adds = nullptr});

std::string BatchNormAttributes::text() const {
  const Expression& moved_in = head.outputs().empty() ? tail : head;
  const std::string more = text_of_tail(moved_in, "add", "relu");
  return format("epsilon ", epsilon, more.empty() ? "" : " ", more);
}

BatchNormResult batch_norm(Value x, Value gamma, Value beta, float epsilon) {
  Graph& graph = *x.graph;
  const Shape statistics{x.shape().back()};
  require(gamma.shape() == statistics && beta.shape() == statistics, graph,
          "batch_norm: expected gamma and beta of ", statistics, ", received ", gamma.shape(),
          " and ", beta.shape());
  BatchNormAttributes attributes;
  attributes.epsilon = epsilon;
  const auto outputs = graph.append(
      batch_norm_op, {x, gamma, beta}, share(attributes),
      {{x.dtype(), x.shape()}, {DType::float32, statistics}, {DType::float32, statistics}});
  return {outputs[0], outputs[1], outputs[2]};
}

}  // namespace stoker::ops
