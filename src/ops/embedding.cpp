// embedding picks rows of a table by number, so the gradient of a row adds up its uses.
#include "core/multi_index.h"
#include "ops/common.h"

namespace stoker::ops {
namespace {

std::vector<Value> gradient(Graph& graph, NodeId id, std::span<const Value> dy) {
  const Node node = graph.node(id);
  const Value table = graph.value(node.inputs[0]);
  return {embedding_backward(dy[0], graph.value(node.inputs[1]), table.shape()), Value{}};
}

RecordedError describe_id(const Graph& graph, const Node& node, std::int64_t id,
                          std::int64_t place) {
  const Shape& ids = graph.info(node.inputs[1]).type.shape;
  const std::int64_t rows = graph.info(node.inputs[0]).type.shape[0];
  return {format("id ", id, " at ", multi_index(ids, place), " of its input ", ids,
                 " is outside [0, ", rows, ")"),
          "input_dim is the largest id + 1"};
}

}  // namespace

const Op embedding_op = define("embedding", OpIndex::embedding, gradient,
                               {.takes_any_dtype = true,
                                .writes_scalars = true,
                                .multiply_adds = nullptr,
                                .describe_error = describe_id});
const Op embedding_backward_op = define_without_gradient(
    "embedding_backward", OpIndex::embedding_backward, "second derivatives are not offered",
    {.takes_any_dtype = false, .writes_scalars = false, .multiply_adds = nullptr});

Value embedding(Value table, Value ids) {
  Graph& graph = *table.graph;
  require(table.shape().rank() == 2, graph, "embedding: expected a table of rank 2, received ",
          table.shape());
  if (ids.dtype() != DType::int32 && ids.dtype() != DType::float32) {
    throw DTypeError(
        format(where(graph), "expected ids of int32 or float32, received ", ids.dtype()));
  }
  Shape shape = ids.shape();
  shape.push_back(table.shape()[1]);
  return graph.append(embedding_op, {table, ids}, nullptr, {{table.dtype(), shape}})[0];
}

Value embedding_backward(Value dy, Value ids, Shape table_shape) {
  return dy.graph->append(embedding_backward_op, {dy, ids}, nullptr,
                          {{DType::float32, table_shape}})[0];
}

}  // namespace stoker::ops
