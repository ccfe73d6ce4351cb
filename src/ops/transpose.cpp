// transpose puts the axes in another order, so its gradient puts them back.
#include <algorithm>

#include "ops/common.h"

namespace stoker::ops {
namespace {

std::vector<Value> gradient(Graph& graph, NodeId id, std::span<const Value> dy) {
  const std::vector<std::int64_t> order = attributes_of<TransposeAttributes>(graph.node(id)).order;
  std::vector<std::int64_t> inverse(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    inverse[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(i);
  }
  return {transpose(dy[0], inverse)};
}

}  // namespace

const Op transpose_op =
    define("transpose", OpIndex::transpose, gradient,
           {.takes_any_dtype = true, .writes_scalars = false, .multiply_adds = nullptr});

std::string TransposeAttributes::text() const {
  std::ostringstream out;
  out << "order";
  for (const std::int64_t axis : order) out << ' ' << axis;
  return out.str();
}

Value transpose(Value x, std::vector<std::int64_t> order) {
  Graph& graph = *x.graph;
  for (std::int64_t& axis : order) axis = axis_from_front(axis, x.shape(), graph);
  std::vector<std::int64_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  bool is_permutation = order.size() == x.shape().rank();
  for (std::size_t i = 0; is_permutation && i < sorted.size(); ++i) {
    is_permutation = sorted[i] == static_cast<std::int64_t>(i);
  }
  require(is_permutation, graph, "transpose: expected each axis of ", x.shape(), " once, received ",
          Shape(order));
  if (std::is_sorted(order.begin(), order.end())) return x;
  Shape shape;
  for (const std::int64_t axis : order) shape.push_back(x.shape()[static_cast<std::size_t>(axis)]);
  TransposeAttributes attributes;
  attributes.order = std::move(order);
  return graph.append(transpose_op, {x}, share(std::move(attributes)), {{x.dtype(), shape}})[0];
}

// An axis of extent 1 may stand anywhere without moving an element, and axes that follow each other
// in both orders are one.
MergedTranspose merged_transpose(const Shape& shape, const std::vector<std::int64_t>& order) {
  std::vector<std::int64_t> kept;
  for (const std::int64_t axis : order) {
    if (shape[static_cast<std::size_t>(axis)] != 1) kept.push_back(axis);
  }
  // The strides of the input by axis.
  std::vector<std::int64_t> strides(shape.rank());
  std::int64_t stride = 1;
  for (std::size_t axis = shape.rank(); axis-- > 0; stride *= shape[axis]) strides[axis] = stride;
  MergedTranspose merged;
  for (const std::int64_t axis : kept) {
    const std::int64_t extent = shape[static_cast<std::size_t>(axis)];
    const std::int64_t own = strides[static_cast<std::size_t>(axis)];
    if (merged.extents.rank() > 0 && merged.strides.back() == own * extent) {
      merged.extents[merged.extents.rank() - 1] *= extent;
      merged.strides[merged.strides.rank() - 1] = own;
    } else {
      merged.extents.push_back(extent);
      merged.strides.push_back(own);
    }
  }
  return merged;
}

}  // namespace stoker::ops
