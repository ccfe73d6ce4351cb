// How much a node computes and moves, as its shapes tell.
#pragma once

#include <vector>

#include "graph/graph.h"
#include "ops/ops.h"

namespace stoker::bench {

// Floating-point operations of matrix products and convolutions, a multiply-add counted as two;
// taps that fall on padding count too. 0 for all other ops.
inline double flops_of(const graph::Graph& graph, const graph::Node& node) {
  using ops::OpIndex;
  const auto shape = [&](graph::ValueId id) -> const Shape& { return graph.info(id).type.shape; };
  // Of a convolution: each of its outputs sums the taps of one filter.
  const auto taps = [&](const Shape& y, const Shape& kernel) {
    return 2.0 * static_cast<double>(y.elements()) * static_cast<double>(kernel.elements()) /
           static_cast<double>(kernel[3]);
  };
  switch (static_cast<OpIndex>(node.op->index)) {
    case OpIndex::matmul: {
      const auto& attributes = ops::attributes_of<ops::MatMulAttributes>(node);
      return 2.0 * static_cast<double>(shape(node.outputs[0]).elements()) *
             static_cast<double>(shape(node.inputs[0])[attributes.transpose_a ? 0 : 1]);
    }
    case OpIndex::conv2d:
      return taps(shape(node.outputs[0]), shape(node.inputs[1]));
    case OpIndex::conv2d_backward_data:
      return taps(shape(node.inputs[0]), shape(node.inputs[1]));
    case OpIndex::conv2d_backward_weights:
      return taps(shape(node.inputs[1]), shape(node.outputs[0]));
    default:
      return 0.0;
  }
}

// Bytes of all inputs and outputs. A reshape moves none, and a slice reads what it writes.
inline double bytes_of(const graph::Graph& graph, const graph::Node& node) {
  using ops::OpIndex;
  const auto sum = [&](const std::vector<graph::ValueId>& ids) {
    double bytes = 0.0;
    for (const graph::ValueId id : ids) {
      const graph::ValueType& type = graph.info(id).type;
      bytes +=
          static_cast<double>(type.shape.elements()) * static_cast<double>(size_of(type.dtype));
    }
    return bytes;
  };
  switch (static_cast<OpIndex>(node.op->index)) {
    case OpIndex::reshape:
      return 0.0;
    case OpIndex::slice:
      return 2.0 * sum(node.outputs);
    default:
      return sum(node.inputs) + sum(node.outputs);
  }
}

}  // namespace stoker::bench
