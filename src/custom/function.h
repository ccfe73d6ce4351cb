// The functions of stoker/ops.h inside: each is a rule that appends ops for tensors, by the
// arguments that it was called with. On values of the functional API the rule and the arguments
// become a layer, which a model's configuration names (class "Function").
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "layers/value.h"
#include "ops/ops.h"
#include "stoker/config.h"
#include "stoker/ops.h"

namespace stoker::functions {

using graph::Expr;
using Tensor = graph::Value;  // as rules have values

// One call of a function on tensors.
struct FunctionCall {
  graph::Graph& graph;
  std::span<const Tensor> inputs;
  const Config& arguments;  // a map

  Tensor x() const { return inputs[0]; }
  // An argument, or its default where the call has none.
  double number(const char* key, double otherwise) const;
  std::int64_t integer(const char* key, std::int64_t otherwise) const;
  bool flag(const char* key) const;
  std::vector<std::int64_t> integers(const char* key) const;
  // A list of numbers counted from the front among the axes of x, sorted; all axes where the list
  // is empty. Throws ShapeError for an axis that x does not have, or that is given twice.
  std::vector<std::int64_t> axes() const;
  // The argument "axis" counted from the front.
  std::int64_t axis(Tensor x, std::int64_t otherwise = -1) const;
};

using Rule = std::vector<Tensor> (*)(const FunctionCall& call);

struct Function {
  std::string_view name;
  std::string_view keras_class;
  Rule rule;
};
std::span<const Function> all_functions();
// Throws ValueError, with the nearest name, where there is none.
const Function& function_named(std::string_view name);

#define STOKER_FUNCTION(name, keras_class) \
  std::vector<Tensor> build_##name(const FunctionCall& call);
#include "custom/functions.def"
#undef STOKER_FUNCTION

// Calls a function: appends its ops where the values are tensors, and makes a layer of a functional
// model where they are not.
std::vector<stoker::Value> apply_all(std::string_view name,
                                     std::initializer_list<stoker::Value> inputs,
                                     Config arguments = Config::map());
std::vector<stoker::Value> apply_all(std::string_view name,
                                     const std::vector<stoker::Value>& inputs, Config arguments);
inline stoker::Value apply(std::string_view name, std::initializer_list<stoker::Value> inputs,
                           Config arguments = Config::map()) {
  return apply_all(name, inputs, std::move(arguments))[0];
}
inline stoker::Value apply(std::string_view name, const std::vector<stoker::Value>& inputs,
                           Config arguments) {
  return apply_all(name, inputs, std::move(arguments))[0];
}

// x in another shape. While shapes are checked the batch is unknown and the number of elements is
// not checked either; the step's own graph has known extents, and checks it.
Tensor reshaped(Tensor x, const Shape& shape);

Config list_of(std::span<const std::int64_t> numbers);
// {"axis": [...], "keepdims": ...}
Config over_axes(const Axes& axis, bool keepdims);

}  // namespace stoker::functions
