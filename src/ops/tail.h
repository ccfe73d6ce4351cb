// A tail is arithmetic, held as data, that a backend applies to the result of an op before the
// result is written. plan/ moves the node behind an op into the op's tail where the backend takes
// the expression.
#pragma once

#include <optional>
#include <string>

#include "ops/ops.h"

namespace stoker::ops {

// The node's tail. It has no outputs where a node, or its op, has no tail.
const Expression& tail_of(const graph::Node& node);
// The value that is input `i` of the node's tail, from 1 on.
graph::ValueId tail_input(const graph::Node& node, int i);
graph::Node without_tail(const graph::Node& node);

// The arithmetic that libraries and our kernels know: gate(x[base] + x[addend]). Members are the
// numbers of inputs of the expression.
struct GatedSum {
  int base = 0;
  int addend = -1;    // -1: no addend
  bool relu = false;  // the gate is relu
  int mask = -1;      // the gate is relu's gradient, 0 where this input is 0; -1: no mask
};
// Returns nullopt for all other expressions, and for one that returns its input unchanged.
std::optional<GatedSum> as_gated_sum(const Expression& expression);
// The form of a tail, whose base is input 0. For the empty tail the form does nothing. Throws Error
// where the expression has no such form.
GatedSum gated_sum_of(const Expression& tail);

// sum_and_relu is relu(x0 + x1) or a part of it, and relu_gradient is select(x1, x0, 0).
Expression sum_and_relu(bool adds, bool relu);
Expression relu_gradient();

// Whether the node's tail adds a bias or applies relu, or both. The bias is a vector along the last
// axis, of the result's type.
bool has_bias_and_relu(const graph::Graph& graph, const graph::Node& node);
// Whether the node's tail does the same with an addend of the result's type and shape.
bool has_sum_and_relu(const graph::Graph& graph, const graph::Node& node);
// Whether the node's tail is relu's gradient, with a mask of the result's type and shape.
bool has_relu_gradient(const graph::Graph& graph, const graph::Node& node);

// Whether the head of a batch_norm_backward is a sum of up to two parts, which relu's mask may
// gate, with all inputs of x's type and shape.
bool has_masked_sum(const graph::Graph& graph, const graph::Node& node);

// The text "bias relu", with these words for an addend and for a mask. Other expressions are
// printed in full.
std::string text_of_tail(const Expression& tail, const char* addend, const char* mask);

}  // namespace stoker::ops
