// Tails: arithmetic that a backend applies to the result of an op before it is written, as data.
// plan/ moves what follows a node into it where the backend takes the expression on that op.
#pragma once

#include <optional>
#include <string>

#include "ops/ops.h"

namespace stoker::ops {

// The node's tail; one without outputs for a node, or an op, that has none.
const Expression& tail_of(const graph::Node& node);
// The value that is input `i` of the node's tail, from 1 on.
graph::ValueId tail_input(const graph::Node& node, int i);
graph::Node without_tail(const graph::Node& node);

// The arithmetic that libraries and our kernels know: gate(x[base] + x[addend]), the inputs by
// their numbers in the expression.
struct GatedSum {
  int base = 0;
  int addend = -1;    // -1: there is none
  bool relu = false;  // the gate is relu
  int mask = -1;      // the gate is relu's gradient: 0 where this input is 0; -1: it is not
};
// Nullopt for all other expressions, and for one that hands its input on as it is.
std::optional<GatedSum> as_gated_sum(const Expression& expression);
// The form of a tail, whose base is input 0; the empty tail does nothing. Throws Error where the
// expression has no such form.
GatedSum gated_sum_of(const Expression& tail);

// relu(x0 + x1) or a part of it; select(x1, x0, 0).
Expression sum_and_relu(bool adds, bool relu);
Expression relu_gradient();

// Whether the node's tail adds a bias, which is a vector along the last axis, of the result's type,
// or applies relu, or both.
bool has_bias_and_relu(const graph::Graph& graph, const graph::Node& node);
// Whether the tail does the same with an addend of the result's type and shape.
bool has_sum_and_relu(const graph::Graph& graph, const graph::Node& node);
// Whether the tail is relu's gradient, with a mask of the result's type and shape.
bool has_relu_gradient(const graph::Graph& graph, const graph::Node& node);

// Whether the head of a batch_norm_backward makes dy of up to two parts and relu's mask, all of x's
// type and shape.
bool has_masked_sum(const graph::Graph& graph, const graph::Node& node);

// "bias relu", with these words for an addend and for a mask; other expressions as they are.
std::string text_of_tail(const Expression& tail, const char* addend, const char* mask);

}  // namespace stoker::ops
