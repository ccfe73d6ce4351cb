// pad puts a constant around its input, so its gradient is what lies within: a slice of each padded
// axis.
#include "ops/common.h"
#include "stoker/detail/float_bits.h"

namespace stoker::ops {
namespace {

std::vector<Value> gradient(Graph& graph, NodeId id, std::span<const Value> dy) {
  const Node node = graph.node(id);
  const Shape shape = graph.info(node.inputs[0]).type.shape;
  const Shape before = attributes_of<PadAttributes>(node).before;
  Value dx = dy[0];
  for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
    if (dx.shape()[axis] == shape[axis]) continue;
    dx = slice(dx, static_cast<std::int64_t>(axis), before[axis], shape[axis]);
  }
  return {dx};
}

}  // namespace

const Op pad_op =
    define("pad", OpIndex::pad, gradient,
           {.takes_any_dtype = true, .writes_scalars = false, .multiply_adds = nullptr});

std::string PadAttributes::text() const {
  return format("before ", before, " after ", after, " value ", value);
}

Value pad(Value x, Shape before, Shape after, float value) {
  Graph& graph = *x.graph;
  Shape shape = x.shape();
  bool fits = before.rank() == shape.rank() && after.rank() == shape.rank();
  bool is_padded = false;
  for (std::size_t axis = 0; fits && axis < shape.rank(); ++axis) {
    fits = before[axis] >= 0 && after[axis] >= 0 &&
           (shape[axis] >= 0 || before[axis] + after[axis] == 0);
    is_padded = is_padded || before[axis] + after[axis] > 0;
    if (fits && shape[axis] >= 0) shape[axis] += before[axis] + after[axis];
  }
  require(fits, graph, "pad: expected a number of 0 or more before and after each known axis of ",
          x.shape(), ", received ", before, " and ", after);
  if (!is_padded) return x;
  PadAttributes attributes;
  attributes.before = before;
  attributes.after = after;
  attributes.value = value;
  return graph.append(pad_op, {x}, share(attributes), {{x.dtype(), shape}})[0];
}

// An axis without padding is one with the axis before it, padded or not.
MergedPad merged_pad(const Shape& shape, const PadAttributes& attributes) {
  MergedPad merged;
  for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
    const std::int64_t before = attributes.before[axis], after = attributes.after[axis];
    const std::size_t rank = merged.extents.rank();
    if (rank > 0 && before + after == 0) {
      merged.extents[rank - 1] *= shape[axis];
      merged.before[rank - 1] *= shape[axis];
      merged.after[rank - 1] *= shape[axis];
    } else {
      merged.extents.push_back(shape[axis]);
      merged.before.push_back(before);
      merged.after.push_back(after);
    }
  }
  return merged;
}

std::uint32_t stored_bits(float value, DType dtype) {
  switch (dtype) {
    case DType::float32:
      return detail::bits_of(value);
    case DType::bfloat16:
      return detail::to_bfloat16_bits(value) * 0x10001U;
    case DType::float16:
      return detail::to_float16_bits(value) * 0x10001U;
    case DType::int32:
      return static_cast<std::uint32_t>(static_cast<std::int32_t>(value));
    case DType::uint8:
      return static_cast<std::uint8_t>(value) * 0x1010101U;
  }
  return 0;
}

}  // namespace stoker::ops
