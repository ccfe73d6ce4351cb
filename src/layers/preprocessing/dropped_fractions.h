// Numbers as int32, towards zero, as Keras's layers of hashes and vocabularies take them.
#pragma once

#include "graph/graph.h"
#include "ops/ops.h"

namespace stoker::layers {

inline graph::Value without_fractions(graph::Value x) {
  if (x.dtype() == DType::int32) return x;
  graph::Expression expression;
  const graph::Expr number{&expression, expression.input(0)};
  const graph::Expr whole = floor(max(number, 0.0f)) - floor(max(-number, 0.0f));
  expression.add_output(whole.id);
  return ops::pointwise(*x.graph, {DType::int32, x.shape()}, {x}, expression)[0];
}

}  // namespace stoker::layers
