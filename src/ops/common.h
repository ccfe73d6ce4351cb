// Helpers for the op files: they define an op and throw errors about shapes.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "core/format.h"
#include "ops/ops.h"
#include "stoker/error.h"

namespace stoker::ops {

using graph::AttributesPtr;
using graph::Node;
using graph::Op;
using graph::RecordedError;
using graph::Traits;
using graph::ValueId;
using graph::ValueType;

// Each op file defines its own op.
#define STOKER_OP(name) extern const Op name##_op;
#include "ops/ops.def"
#undef STOKER_OP

constexpr Op define(const char* name, OpIndex index, Op::Gradient gradient, Traits traits) {
  return {name, static_cast<int>(index), gradient, nullptr, traits};
}
constexpr Op define_without_gradient(const char* name, OpIndex index, const char* why,
                                     Traits traits) {
  return {name, static_cast<int>(index), nullptr, why, traits};
}

// The error of a label outside of the classes. The last axis of the node's last output counts the
// classes.
RecordedError describe_label(const Graph& graph, const Node& node, std::int64_t label,
                             std::int64_t row);

// The prefix of messages: "Dense \"logits\": ", or nothing outside of a layer.
inline std::string where(const graph::Origin& origin) {
  const std::string text = origin.text();
  return text.empty() ? text : text + ": ";
}
inline std::string where(const Graph& graph) { return where(graph.origin()); }

template <class... Parts>
void require(bool condition, const Graph& graph, const Parts&... parts) {
  if (!condition) throw ShapeError(format(where(graph), parts...));
}

// Throws unless the operands of a product have one floating type.
inline void require_same_dtype(const Graph& graph, const char* what,
                               std::span<const Value> operands) {
  for (const Value& operand : operands) {
    if (is_floating(operand.dtype()) && operand.dtype() == operands[0].dtype()) continue;
    throw DTypeError(format(where(graph), what,
                            ": expected operands of one floating type, received ",
                            operands[0].dtype(), " and ", operand.dtype()));
  }
}

// The trait with_tail of an op whose attributes have type A.
template <class A>
AttributesPtr with_tail(const graph::Attributes& attributes, const Expression& tail) {
  A changed = static_cast<const A&>(attributes);
  changed.tail = tail;
  return std::make_shared<const A>(std::move(changed));
}

template <class A>
AttributesPtr share(A attributes) {
  return std::make_shared<const A>(std::move(attributes));
}

// The axis counted from the front. Throws ShapeError when `shape` has no such axis.
inline std::int64_t axis_from_front(std::int64_t axis, const Shape& shape, const Graph& graph) {
  const auto rank = static_cast<std::int64_t>(shape.rank());
  require(axis >= -rank && axis < rank, graph, "axis ", axis, " is none of ", shape);
  return axis < 0 ? axis + rank : axis;
}

// a / b rounded up, for positive b.
constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

}  // namespace stoker::ops
