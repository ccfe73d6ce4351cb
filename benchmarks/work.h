// How much a node computes and moves, as its shapes tell.
#pragma once

#include <vector>

#include "graph/graph.h"
#include "ops/ops.h"

namespace stoker::bench {

// Floating-point operations of matrix products and convolutions, a multiply-add counted as two;
// taps that fall on padding count too. 0 for all other ops.
inline double flops_of(const graph::Graph& graph, const graph::Node& node) {
  const graph::Traits::MultiplyAdds multiply_adds = node.op->traits.multiply_adds;
  return multiply_adds != nullptr ? 2.0 * multiply_adds(graph, node) : 0.0;
}

// Bytes of all inputs and outputs. A view moves none, and a slice reads what it writes.
inline double bytes_of(const graph::Graph& graph, const graph::Node& node) {
  const auto sum = [&](const std::vector<graph::ValueId>& ids) {
    double bytes = 0.0;
    for (const graph::ValueId id : ids) {
      const graph::ValueType& type = graph.info(id).type;
      bytes +=
          static_cast<double>(type.shape.elements()) * static_cast<double>(size_of(type.dtype));
    }
    return bytes;
  };
  if (node.op->traits.is_view) return 0.0;
  if (ops::is_op(node, ops::OpIndex::slice)) return 2.0 * sum(node.outputs);
  return sum(node.inputs) + sum(node.outputs);
}

}  // namespace stoker::bench
