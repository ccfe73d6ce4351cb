// resize samples one axis anew; images are resized along their height and then along their width.
#include "ops/common.h"

namespace stoker::ops {
namespace {

std::vector<Value> gradient(Graph& graph, NodeId id, std::span<const Value> dy) {
  const Node node = graph.node(id);
  return graph.append(resize_backward_op, {dy[0]}, node.attributes,
                      {graph.info(node.inputs[0]).type});
}

}  // namespace

const Op resize_op =
    define("resize", OpIndex::resize, gradient,
           {.takes_any_dtype = false, .writes_scalars = false, .multiply_adds = nullptr});
const Op resize_backward_op = define_without_gradient(
    "resize_backward", OpIndex::resize_backward, "second derivatives are not offered",
    {.takes_any_dtype = false, .writes_scalars = false, .multiply_adds = nullptr});

std::string ResizeAttributes::text() const {
  return format("axis ", axis, " to ", extent, is_linear ? " linear" : " nearest");
}

Value resize(Value x, std::int64_t axis, std::int64_t extent, bool is_linear) {
  Graph& graph = *x.graph;
  ResizeAttributes attributes;
  attributes.axis = axis_from_front(axis, x.shape(), graph);
  attributes.extent = extent;
  attributes.is_linear = is_linear;
  Shape shape = x.shape();
  std::int64_t& resized = shape[static_cast<std::size_t>(attributes.axis)];
  constexpr std::int64_t kMost = 1 << 24;  // The largest number up to which float32 counts.
  require(resized >= 1 && resized <= kMost && extent >= 1 && extent <= kMost, graph,
          "resize: expected extents from 1 to ", kMost, ", received ", resized, " and ", extent);
  require(is_floating(x.dtype()), graph, "resize: expected a floating input, received ", x.dtype());
  if (resized == extent) return x;
  resized = extent;
  return graph.append(resize_op, {x}, share(attributes), {{x.dtype(), shape}})[0];
}

}  // namespace stoker::ops
