#include "backend/cpu/products.h"

#include <algorithm>

#include "backend/cpu/dnn.h"
#include "ops/ops.h"
#include "ops/tail.h"

namespace stoker::backend::cpu {

bool runs_in_bfloat16(const graph::Graph& graph, const graph::Node& node) {
  const auto is_bfloat16 = [&](graph::ValueId value) {
    return graph.info(value).type.dtype == DType::bfloat16;
  };
  if (!has_bfloat16_products() || !std::ranges::all_of(node.inputs, is_bfloat16) ||
      !std::ranges::all_of(node.outputs, is_bfloat16)) {
    return false;
  }
  switch (static_cast<ops::OpIndex>(node.op->index)) {
    case ops::OpIndex::matmul:
      return matmul_runs_in_bfloat16(graph, node);
    case ops::OpIndex::conv2d:
    case ops::OpIndex::conv2d_backward_data:
    case ops::OpIndex::conv2d_backward_weights:
      return conv2d_runs_in_bfloat16(graph, node);
    default:
      return false;
  }
}

bool takes_tail(const graph::Graph& graph, const graph::Node& node) {
  const bool is_product =
      ops::is_op(node, ops::OpIndex::matmul) || ops::is_op(node, ops::OpIndex::conv2d);
  return is_product && ops::has_bias_and_relu(graph, node);
}

}  // namespace stoker::backend::cpu
