// What an expression means, element by element in double: the yardstick for every backend.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/expression.h"

namespace stoker::test {

// What an element sees beside its inputs.
struct ElementContext {
  std::uint64_t seed = 0;
  std::uint32_t step = 0;
  std::uint64_t element = 0;  // linear index in the node's full output shape
  double range_value = 0.0;
};

double evaluate_op(graph::ExprOp op, double a, double b = 0.0, double c = 0.0);

// The outputs of `expression` for one element.
std::vector<double> evaluate(const graph::Expression& expression, std::span<const double> inputs,
                             const ElementContext& context = {});

}  // namespace stoker::test
