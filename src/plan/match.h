// What several passes look for in nodes.
#pragma once

#include "graph/graph.h"
#include "ops/ops.h"

namespace stoker::plan {

using ops::is_op;

// What a pointwise node computes, where that is one result, everywhere and always: no guard keeps
// it from being written, and no ranges leave parts out. Null for all other nodes.
inline const graph::Expression* plain_expression(const graph::Node& node) {
  if (!is_op(node, ops::OpIndex::pointwise) || node.outputs.size() != 1) return nullptr;
  const auto& attributes = ops::attributes_of<ops::PointwiseAttributes>(node);
  const bool is_plain = attributes.guard == ops::Guard::none && attributes.ranges.empty();
  return is_plain ? &attributes.expression : nullptr;
}

// The expression without a rounding to `stored` just before a final relu, or its derivative: of a
// rounded number that is the rounded relu, so that what is stored in that type in the end need not
// be rounded before.
graph::Expression without_early_rounding(const graph::Expression& expression, DType stored);

}  // namespace stoker::plan
