// matmul is a matrix product with a tail, which plan/ fills.
#include <algorithm>
#include <array>

#include "ops/common.h"
#include "ops/tail.h"

namespace stoker::ops {
namespace {

// With A = op(a) and B = op(b), dA = dy B^T and dB = A^T dy. Each is transposed back to the layout
// of its operand, and summed over the axes along which that was broadcast.
std::vector<Value> gradient(Graph& graph, NodeId id, std::span<const Value> dy) {
  const Node node = graph.node(id);
  const auto& attributes = attributes_of<MatMulAttributes>(node);
  const Value a = graph.value(node.inputs[0]);
  const Value b = graph.value(node.inputs[1]);
  const bool ta = attributes.transpose_a;
  const bool tb = attributes.transpose_b;
  const Value da = ta ? matmul(b, dy[0], tb, true) : matmul(dy[0], b, false, !tb);
  const Value db = tb ? matmul(dy[0], a, true, ta) : matmul(a, dy[0], !ta, false);
  const auto summed = [](Value sum, Value of) {
    return sum.shape() == of.shape() ? sum : cast(sum_to_shape(sum, of.shape()), of.dtype());
  };
  return {summed(da, a), summed(db, b)};
}

double multiply_adds(const Graph& graph, const Node& node) {
  const ProductSizes sizes = product_sizes(graph, node);
  return static_cast<double>(graph.info(node.outputs[0]).type.shape.elements()) *
         static_cast<double>(sizes.k);
}

Shape leading_axes(const Shape& shape) {
  Shape leading;
  for (std::size_t axis = 0; axis + 2 < shape.rank(); ++axis) leading.push_back(shape[axis]);
  return leading;
}

// The extent of an axis of `rank` axes, of which those that `shape` lacks in front are 1.
std::int64_t extent_of(const Shape& shape, std::size_t axis, std::size_t rank) {
  const std::size_t missing = rank - shape.rank();
  return axis < missing ? 1 : shape[axis - missing];
}

// The matrix of a that has all of its rows below each other.
Value rows_below_each_other(Value a) {
  std::int64_t rows = 1;
  for (std::size_t axis = 0; axis + 1 < a.shape().rank(); ++axis) {
    const std::int64_t extent = a.shape()[axis];
    rows = extent < 0 || rows < 0 ? Shape::kUnknown : rows * extent;
  }
  return reshape(a, {rows, a.shape().back()});
}

}  // namespace

const Op matmul_op = define("matmul", OpIndex::matmul, gradient,
                            {.takes_any_dtype = false,
                             .writes_scalars = false,
                             .multiply_adds = multiply_adds,
                             .with_tail = with_tail<MatMulAttributes>});

std::string MatMulAttributes::text() const {
  std::string text;
  if (transpose_a) text += "a^T ";
  if (transpose_b) text += "b^T ";
  text += text_of_tail(tail, "bias", "relu_backward");
  if (text.ends_with(' ')) text.pop_back();
  return text;
}

Value matmul(Value a, Value b, bool transpose_a, bool transpose_b) {
  Graph& graph = *a.graph;
  const std::size_t rank_a = a.shape().rank(), rank_b = b.shape().rank();
  require(rank_a >= 2 && rank_b >= 2, graph,
          "matmul: expected matrices, which have two axes or more, received ", a.shape(), " and ",
          b.shape());
  const std::int64_t m = a.shape()[rank_a - (transpose_a ? 1 : 2)];
  const std::int64_t k = a.shape()[rank_a - (transpose_a ? 2 : 1)];
  const std::int64_t n = b.shape()[rank_b - (transpose_b ? 2 : 1)];
  require(b.shape()[rank_b - (transpose_b ? 1 : 2)] == k, graph,
          "matmul: inner extents differ: ", a.shape(), transpose_a ? "^T" : "", " and ", b.shape(),
          transpose_b ? "^T" : "");
  if (rank_a > 2 && rank_b == 2 && !transpose_a) {
    // All of these products are rows of one.
    Shape shape = a.shape();
    const Value y = matmul(rows_below_each_other(a), b, false, transpose_b);
    shape[shape.rank() - 1] = y.shape().back();
    return reshape(y, shape);
  }
  const Shape leading_a = leading_axes(a.shape()), leading_b = leading_axes(b.shape());
  const std::size_t rank = std::max(leading_a.rank(), leading_b.rank());
  Shape shape;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    const std::int64_t left = extent_of(leading_a, axis, rank);
    const std::int64_t right = extent_of(leading_b, axis, rank);
    const bool is_unknown = left < 0 || right < 0;
    require(left == right || left == 1 || right == 1 || is_unknown, graph,
            "matmul: leading extents do not broadcast: ", a.shape(), " and ", b.shape());
    shape.push_back(is_unknown && left != 1 && right != 1 ? std::max(left, right)
                    : left == 1                           ? right
                                                          : left);
  }
  shape.push_back(m);
  shape.push_back(n);
  MatMulAttributes attributes;
  attributes.transpose_a = transpose_a;
  attributes.transpose_b = transpose_b;
  const Value operands[] = {a, b};
  require_same_dtype(graph, "matmul", operands);
  return graph.append(matmul_op, {a, b}, share(attributes), {{a.dtype(), shape}})[0];
}

ProductSizes product_sizes(const Graph& graph, const graph::Node& node) {
  const auto& attributes = attributes_of<MatMulAttributes>(node);
  const Shape& a = graph.info(node.inputs[0]).type.shape;
  const Shape& b = graph.info(node.inputs[1]).type.shape;
  const Shape& y = graph.info(node.outputs[0]).type.shape;
  ProductSizes sizes;
  sizes.m = y[y.rank() - 2];
  sizes.n = y.back();
  sizes.k = a[a.rank() - (attributes.transpose_a ? 2 : 1)];
  const Shape leading = leading_axes(y), leading_a = leading_axes(a), leading_b = leading_axes(b);
  std::int64_t step_a = 1, step_b = 1;
  std::vector<std::array<std::int64_t, 3>> axes;  // from the last: extent, and steps in a and b
  for (std::size_t axis = leading.rank(); axis-- > 0;) {
    const std::int64_t extent_a = extent_of(leading_a, axis, leading.rank());
    const std::int64_t extent_b = extent_of(leading_b, axis, leading.rank());
    const std::int64_t extent = leading[axis];
    const std::int64_t own_a = extent_a == 1 ? 0 : step_a, own_b = extent_b == 1 ? 0 : step_b;
    step_a *= extent_a;
    step_b *= extent_b;
    if (extent == 1) continue;
    if (!axes.empty() && axes.back()[1] * axes.back()[0] == own_a &&
        axes.back()[2] * axes.back()[0] == own_b) {
      axes.back()[0] *= extent;
    } else {
      axes.push_back({extent, own_a, own_b});
    }
  }
  for (std::size_t i = axes.size(); i-- > 0;) {
    sizes.batch.push_back(axes[i][0]);
    sizes.steps_a.push_back(axes[i][1]);
    sizes.steps_b.push_back(axes[i][2]);
  }
  return sizes;
}

}  // namespace stoker::ops
