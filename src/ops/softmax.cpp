// softmax, log_softmax, sparsemax, and softmax with cross-entropy work along the last axis.
#include "ops/common.h"

namespace stoker::ops {
namespace {

// softmax: dx = y (dy - sum(dy y)); log_softmax: dx = dy - exp(y) sum(dy).
std::vector<Value> softmax_gradient(Graph& graph, NodeId id, std::span<const Value> dy) {
  const Node node = graph.node(id);
  const Value y = graph.value(node.outputs[0]);
  if (attributes_of<SoftmaxAttributes>(node).log) {
    const Value sum = reduce_sum(dy[0], {-1}, true);
    return {map(y, dy[0], sum, [](Expr out, Expr g, Expr s) { return g - exp(out) * s; })};
  }
  const Value sum = reduce(
      ReduceKind::sum, y, dy[0], [](Expr out, Expr g) { return out * g; }, {-1}, true);
  return {map(y, dy[0], sum, [](Expr out, Expr g, Expr s) { return out * (g - s); })};
}

// On the support S = {y > 0}: dx = dy - mean of dy over S; 0 elsewhere.
std::vector<Value> sparsemax_gradient(Graph& graph, NodeId id, std::span<const Value> dy) {
  const Value y = graph.value(graph.node(id).outputs[0]);
  const Value sum = reduce(
      ReduceKind::sum, y, dy[0], [](Expr out, Expr above) { return less(0.0f, out) * above; }, {-1},
      true);
  const Value count = reduce(
      ReduceKind::sum, y, [](Expr out) { return less(0.0f, out); }, {-1}, true);
  const Value mean = map(sum, count, [](Expr s, Expr n) { return s / n; });
  return {map(y, dy[0], mean, [](Expr o, Expr g, Expr m) { return less(0.0f, o) * (g - m); })};
}

// The forward op has computed d loss / d logits already, and labels have no gradient.
std::vector<Value> cross_entropy_gradient(Graph& graph, NodeId id, std::span<const Value> dy) {
  const Node node = graph.node(id);
  const Value slope = graph.value(node.outputs[1]);
  Shape column = dy[0].shape();
  column.push_back(1);
  return {multiply(slope, reshape(dy[0], column)), Value{}};
}

Value append_softmax(Value x, bool log) {
  require(x.shape().rank() >= 1, *x.graph, "softmax: expected at least one axis, received ",
          x.shape());
  SoftmaxAttributes attributes;
  attributes.log = log;
  return x.graph->append(softmax_op, {x}, share(attributes), {{x.dtype(), x.shape()}})[0];
}

}  // namespace

const Op softmax_op =
    define("softmax", OpIndex::softmax, softmax_gradient,
           {.takes_any_dtype = false, .writes_scalars = false, .multiply_adds = nullptr});
const Op sparsemax_op =
    define("sparsemax", OpIndex::sparsemax, sparsemax_gradient,
           {.takes_any_dtype = false, .writes_scalars = false, .multiply_adds = nullptr});
const Op softmax_cross_entropy_op =
    define("softmax_cross_entropy", OpIndex::softmax_cross_entropy, cross_entropy_gradient,
           {.takes_any_dtype = false,
            .writes_scalars = true,
            .multiply_adds = nullptr,
            .describe_error = describe_label});

std::string SoftmaxAttributes::text() const { return log ? "log" : ""; }
std::string SoftmaxCrossEntropyAttributes::text() const { return {}; }

Value softmax(Value x) { return append_softmax(x, false); }
Value log_softmax(Value x) { return append_softmax(x, true); }
Value sparsemax(Value x) {
  return x.graph->append(sparsemax_op, {x}, nullptr, {{x.dtype(), x.shape()}})[0];
}

Value softmax_cross_entropy(Value logits, Value labels) {
  Graph& graph = *logits.graph;
  const Shape& shape = logits.shape();
  const bool sparse = labels.shape().rank() == 1;
  if (labels.dtype() != DType::float32 && !(sparse && labels.dtype() == DType::int32)) {
    throw DTypeError(format(where(graph),
                            "softmax_cross_entropy: expected labels of float32 or "
                            "int32 class numbers, received ",
                            labels.dtype()));
  }
  require(
      shape.rank() == 2 && (sparse ? labels.shape() == Shape{shape[0]} : labels.shape() == shape),
      graph, "softmax_cross_entropy: labels of ", labels.shape(), " do not fit logits of ", shape);
  return graph.append(softmax_cross_entropy_op, {logits, labels},
                      share(SoftmaxCrossEntropyAttributes{}),
                      {{DType::float32, {shape[0]}}, {DType::float32, shape}})[0];
}

}  // namespace stoker::ops
