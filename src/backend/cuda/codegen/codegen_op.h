// The text that computes one op of an expression, in generated CUDA C++.
#pragma once

#include <array>
#include <string>

#include "graph/expression.h"

namespace stoker::backend::cuda {

// Returns whether the op is a call of a function, which costs more than an operator does. A leaf is
// none.
bool is_call(graph::ExprOp op);

// Returns the right-hand side that computes `op`, which is no leaf, from as many of `operands` as
// it takes.
std::string op_text(graph::ExprOp op, const std::array<std::string, 3>& operands);

}  // namespace stoker::backend::cuda
