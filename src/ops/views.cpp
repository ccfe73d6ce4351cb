// reshape costs nothing because it is a view; slice copies.
#include "ops/common.h"

namespace stoker::ops {
namespace {

std::vector<Value> reshape_gradient(Graph& graph, NodeId id, std::span<const Value> dy) {
  if (graph.node(id).attributes != nullptr) return {Value{}};  // of stop_gradient()
  return {reshape(dy[0], graph.info(graph.node(id).inputs[0]).type.shape)};
}

std::vector<Value> slice_gradient(Graph& graph, NodeId id, std::span<const Value> dy) {
  const Node node = graph.node(id);
  return graph.append(slice_backward_op, {dy[0]}, node.attributes,
                      {graph.info(node.inputs[0]).type});
}

}  // namespace

const Op reshape_op = define(
    "reshape", OpIndex::reshape, reshape_gradient,
    {.takes_any_dtype = true, .writes_scalars = false, .multiply_adds = nullptr, .is_view = true});
const Op slice_op =
    define("slice", OpIndex::slice, slice_gradient,
           {.takes_any_dtype = true, .writes_scalars = false, .multiply_adds = nullptr});
const Op slice_backward_op = define_without_gradient(
    "slice_backward", OpIndex::slice_backward, "second derivatives are not offered",
    {.takes_any_dtype = true, .writes_scalars = false, .multiply_adds = nullptr});

std::string SliceAttributes::text() const {
  return format("axis ", axis, " [", begin, ", ", begin + extent, ")");
}

Value reshape(Value x, Shape shape) {
  if (x.shape() == shape) return x;
  require(x.shape().elements() == shape.elements(), *x.graph, "cannot reshape ", x.shape(), " to ",
          shape, ": the numbers of elements differ");
  return x.graph->append(reshape_op, {x}, nullptr, {{x.dtype(), shape}})[0];
}

std::string StopGradientAttributes::text() const { return "without gradient"; }

Value stop_gradient(Value x) {
  return x.graph->append(reshape_op, {x}, share(StopGradientAttributes{}),
                         {{x.dtype(), x.shape()}})[0];
}

Value slice(Value x, std::int64_t axis, std::int64_t begin, std::int64_t extent) {
  Graph& graph = *x.graph;
  const auto rank = static_cast<std::int64_t>(x.shape().rank());
  if (axis < 0) axis += rank;
  require(axis >= 0 && axis < rank && begin >= 0 && extent > 0 &&
              begin + extent <= x.shape()[static_cast<std::size_t>(axis)],
          graph, "slice [", begin, ", ", begin + extent, ") of axis ", axis,
          " does not lie within ", x.shape());
  SliceAttributes attributes;
  attributes.axis = axis;
  attributes.begin = begin;
  attributes.extent = extent;
  Shape shape = x.shape();
  shape[static_cast<std::size_t>(axis)] = extent;
  return graph.append(slice_op, {x}, share(attributes), {{x.dtype(), shape}})[0];
}

}  // namespace stoker::ops
