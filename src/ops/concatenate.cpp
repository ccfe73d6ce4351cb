// concatenate puts inputs one behind the other along an axis, so the gradients are slices.
#include "ops/common.h"

namespace stoker::ops {
namespace {

std::vector<Value> gradient(Graph& graph, NodeId id, std::span<const Value> dy) {
  const Node node = graph.node(id);
  const std::int64_t axis = attributes_of<ConcatenateAttributes>(node).axis;
  std::vector<Value> result;
  std::int64_t begin = 0;
  for (const auto input : node.inputs) {
    const std::int64_t extent = graph.info(input).type.shape[static_cast<std::size_t>(axis)];
    result.push_back(slice(dy[0], axis, begin, extent));
    begin += extent;
  }
  return result;
}

bool differ_only_along(std::size_t axis, const Shape& a, const Shape& b) {
  if (a.rank() != b.rank()) return false;
  for (std::size_t i = 0; i < a.rank(); ++i) {
    if (i != axis && a[i] != b[i]) return false;
  }
  return true;
}

}  // namespace

const Op concatenate_op =
    define("concatenate", OpIndex::concatenate, gradient,
           {.takes_any_dtype = true, .writes_scalars = false, .multiply_adds = nullptr});

std::string ConcatenateAttributes::text() const { return format("axis ", axis); }

Value concatenate(std::vector<Value> inputs, std::int64_t axis) {
  Graph& graph = *inputs.at(0).graph;
  const DType dtype = inputs[0].dtype();
  Shape shape = inputs[0].shape();
  ConcatenateAttributes attributes;
  attributes.axis = axis_from_front(axis, shape, graph);
  const auto at = static_cast<std::size_t>(attributes.axis);
  for (std::size_t i = 1; i < inputs.size(); ++i) {
    const Shape& next = inputs[i].shape();
    require(differ_only_along(at, shape, next), graph,
            "expected inputs whose shapes differ only along axis ", axis, ", received ",
            inputs[0].shape(), " and ", next);
    require(inputs[i].dtype() == dtype, graph, "expected inputs of one dtype, received ",
            name_of(dtype), " and ", name_of(inputs[i].dtype()));
    shape[at] += next[at];
  }
  return graph.append(concatenate_op, std::move(inputs), share(attributes), {{dtype, shape}})[0];
}

}  // namespace stoker::ops
