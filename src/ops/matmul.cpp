// matmul is a matrix product with a tail, which plan/ fills.
#include "ops/common.h"
#include "ops/tail.h"

namespace stoker::ops {
namespace {

// With A = op(a) and B = op(b), dA = dy B^T and dB = A^T dy. Each is transposed back to the layout
// of its operand.
std::vector<Value> gradient(Graph& graph, NodeId id, std::span<const Value> dy) {
  const Node node = graph.node(id);
  const auto& attributes = attributes_of<MatMulAttributes>(node);
  const Value a = graph.value(node.inputs[0]);
  const Value b = graph.value(node.inputs[1]);
  const bool ta = attributes.transpose_a;
  const bool tb = attributes.transpose_b;
  const Value da = ta ? matmul(b, dy[0], tb, true) : matmul(dy[0], b, false, !tb);
  const Value db = tb ? matmul(dy[0], a, true, ta) : matmul(a, dy[0], !ta, false);
  return {da, db};
}

double multiply_adds(const Graph& graph, const Node& node) {
  const auto& attributes = attributes_of<MatMulAttributes>(node);
  const Shape& a = graph.info(node.inputs[0]).type.shape;
  const Shape& y = graph.info(node.outputs[0]).type.shape;
  return static_cast<double>(y.elements()) * static_cast<double>(a[attributes.transpose_a ? 0 : 1]);
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
  require(a.shape().rank() == 2 && b.shape().rank() == 2, graph,
          "matmul: expected two matrices, received ", a.shape(), " and ", b.shape());
  const std::int64_t m = a.shape()[transpose_a ? 1 : 0];
  const std::int64_t k = a.shape()[transpose_a ? 0 : 1];
  const std::int64_t n = b.shape()[transpose_b ? 0 : 1];
  require(b.shape()[transpose_b ? 1 : 0] == k, graph, "matmul: inner extents differ: ", a.shape(),
          transpose_a ? "^T" : "", " and ", b.shape(), transpose_b ? "^T" : "");
  MatMulAttributes attributes;
  attributes.transpose_a = transpose_a;
  attributes.transpose_b = transpose_b;
  const Value operands[] = {a, b};
  require_same_dtype(graph, "matmul", operands);
  return graph.append(matmul_op, {a, b}, share(attributes), {{a.dtype(), {m, n}}})[0];
}

}  // namespace stoker::ops
