// split cuts a value into equal parts, whose gradients are put together again.
#include "ops/common.h"

namespace stoker::ops {
namespace {

std::vector<Value> gradient(Graph& graph, NodeId id, std::span<const Value> dy) {
  const Node node = graph.node(id);
  std::vector<Value> parts(dy.begin(), dy.end());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i]) continue;
    const ValueType& type = graph.info(node.outputs[i]).type;
    parts[i] = cast(fill(graph, type.shape, 0.0f), type.dtype);
  }
  return {concatenate(std::move(parts), attributes_of<SplitAttributes>(node).axis)};
}

}  // namespace

const Op split_op =
    define("split", OpIndex::split, gradient,
           {.takes_any_dtype = true, .writes_scalars = false, .multiply_adds = nullptr});

std::string SplitAttributes::text() const { return format("axis ", axis); }

std::vector<Value> split(Value x, std::int64_t axis, std::int64_t parts) {
  Graph& graph = *x.graph;
  SplitAttributes attributes;
  attributes.axis = axis_from_front(axis, x.shape(), graph);
  Shape shape = x.shape();
  std::int64_t& extent = shape[static_cast<std::size_t>(attributes.axis)];
  require(parts >= 1 && extent >= parts && extent % parts == 0, graph, "cannot split axis ", axis,
          " of ", x.shape(), " into ", parts, " equal parts");
  if (parts == 1) return {x};
  extent /= parts;
  const std::vector<ValueType> types(static_cast<std::size_t>(parts), {x.dtype(), shape});
  return graph.append(split_op, {x}, share(attributes), types);
}

}  // namespace stoker::ops
