// Questions about nodes that several passes ask.
#pragma once

#include "graph/graph.h"
#include "ops/ops.h"

namespace stoker::plan {

using ops::is_op;

// The expression of a pointwise node that computes one result and always writes all of it: no guard
// may keep the result from being written, and no ranges leave parts out. Null for all other nodes.
inline const graph::Expression* plain_expression(const graph::Node& node) {
  if (!is_op(node, ops::OpIndex::pointwise) || node.outputs.size() != 1) return nullptr;
  const auto& attributes = ops::attributes_of<ops::PointwiseAttributes>(node);
  const bool is_plain = attributes.guard == ops::Guard::none && attributes.ranges.empty();
  return is_plain ? &attributes.expression : nullptr;
}

// Returns the expression without a rounding to `stored` just before a final relu or its derivative.
// Rounding before relu gives the same number as rounding after it, so a result that is stored in
// that type need not be rounded before.
graph::Expression without_early_rounding(const graph::Expression& expression, DType stored);

}  // namespace stoker::plan
