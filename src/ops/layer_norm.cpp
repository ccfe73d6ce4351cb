// layer_norm standardises each row of its input (Ba, Kiros, Hinton: "Layer normalization", 2016).
#include "ops/common.h"

namespace stoker::ops {
namespace {

// The gradient of x needs sums over each row, and those of gamma and beta need sums over the rows.
std::vector<Value> gradient(Graph& graph, NodeId id, std::span<const Value> dy) {
  const Node node = graph.node(id);
  const Value x = graph.value(node.inputs[0]), gamma = graph.value(node.inputs[1]);
  const Value mean = graph.value(node.outputs[1]), inverse = graph.value(node.outputs[2]);
  const Value dx = graph.append(layer_norm_backward_op, {x, gamma, mean, inverse, dy[0]},
                                node.attributes, {{DType::float32, x.shape()}})[0];
  Shape column = mean.shape();
  column.push_back(1);
  std::vector<std::int64_t> rows;
  for (std::size_t axis = 0; axis + 1 < x.shape().rank(); ++axis) {
    rows.push_back(static_cast<std::int64_t>(axis));
  }
  Expression slope = graph::expression_of<4>(
      [](Expr above, Expr value, Expr m, Expr i) { return above * ((value - m) * i); });
  const Value dgamma =
      reduce(ReduceKind::sum, {dy[0], x, reshape(mean, column), reshape(inverse, column)},
             std::move(slope), rows);
  return {dx, dgamma, reduce_sum(dy[0], rows)};
}

}  // namespace

const Op layer_norm_op =
    define("layer_norm", OpIndex::layer_norm, gradient,
           {.takes_any_dtype = false, .writes_scalars = false, .multiply_adds = nullptr});
const Op layer_norm_backward_op = define_without_gradient(
    "layer_norm_backward", OpIndex::layer_norm_backward, "it is a gradient itself",
    {.takes_any_dtype = false, .writes_scalars = false, .multiply_adds = nullptr});

std::string LayerNormAttributes::text() const { return format("epsilon ", epsilon); }

Value layer_norm(Value x, Value gamma, Value beta, float epsilon) {
  const Shape& shape = x.shape();
  require(shape.rank() >= 2, *x.graph, "layer_norm: expected rows, received ", shape);
  const Shape weight{shape.back()};
  require(gamma.shape() == weight && beta.shape() == weight, *x.graph,
          "layer_norm: expected gamma and beta of ", weight, ", received ", gamma.shape(), " and ",
          beta.shape());
  Shape rows;
  for (std::size_t axis = 0; axis + 1 < shape.rank(); ++axis) rows.push_back(shape[axis]);
  LayerNormAttributes attributes;
  attributes.epsilon = epsilon;
  return x.graph->append(
      layer_norm_op, {x, gamma, beta}, share(attributes),
      {{DType::float32, shape}, {DType::float32, rows}, {DType::float32, rows}})[0];
}

}  // namespace stoker::ops
