// conv2d and its two backward ops (NHWC, HWIO).
#include "ops/common.h"
#include "ops/tail.h"

namespace stoker::ops {
namespace {

std::vector<Value> gradient(Graph& graph, NodeId id, std::span<const Value> dy) {
  const Node node = graph.node(id);
  const auto& attributes = attributes_of<Conv2DAttributes>(node);
  const Value x = graph.value(node.inputs[0]);
  const Value kernel = graph.value(node.inputs[1]);
  return {conv2d_backward_data(dy[0], kernel, x.shape(), attributes),
          conv2d_backward_weights(x, dy[0], kernel.shape(), attributes)[0]};
}

// The gradient of x is linear in dy as the result is in x, with the same taps: as a layer of its
// own it is a transposed convolution.
std::vector<Value> gradient_of_backward_data(Graph& graph, NodeId id, std::span<const Value> dx) {
  const Node node = graph.node(id);
  const auto& attributes = attributes_of<Conv2DAttributes>(node);
  const Value dy = graph.value(node.inputs[0]);
  const Value kernel = graph.value(node.inputs[1]);
  return {conv2d(dx[0], kernel, attributes),
          conv2d_backward_weights(dx[0], dy, kernel.shape(), attributes)[0]};
}

// The multiply-adds: each element of y sums the taps of one filter. Taps on padding are counted
// too.
double taps(const Graph& graph, ValueId y, ValueId kernel) {
  const Shape& filters = graph.info(kernel).type.shape;
  return static_cast<double>(graph.info(y).type.shape.elements()) *
         static_cast<double>(filters.elements()) / static_cast<double>(filters[3]);
}
double forward_multiply_adds(const Graph& graph, const Node& node) {
  return taps(graph, node.outputs[0], node.inputs[1]);
}
double data_multiply_adds(const Graph& graph, const Node& node) {
  return taps(graph, node.inputs[0], node.inputs[1]);
}
double weights_multiply_adds(const Graph& graph, const Node& node) {
  return taps(graph, node.inputs[1], node.outputs[0]);
}

}  // namespace

const Op conv2d_op = define("conv2d", OpIndex::conv2d, gradient,
                            {.takes_any_dtype = false,
                             .writes_scalars = false,
                             .multiply_adds = forward_multiply_adds,
                             .with_tail = with_tail<Conv2DAttributes>});
const Op conv2d_backward_data_op =
    define("conv2d_backward_data", OpIndex::conv2d_backward_data, gradient_of_backward_data,
           {.takes_any_dtype = false,
            .writes_scalars = false,
            .multiply_adds = data_multiply_adds,
            .with_tail = with_tail<Conv2DAttributes>});
const Op conv2d_backward_weights_op = define_without_gradient(
    "conv2d_backward_weights", OpIndex::conv2d_backward_weights,
    "second derivatives are not offered",
    {.takes_any_dtype = false, .writes_scalars = false, .multiply_adds = weights_multiply_adds});

std::string Conv2DAttributes::text() const {
  std::ostringstream out;
  out << "strides " << strides[0] << 'x' << strides[1] << " padding " << padding_before[0] << ','
      << padding_before[1] << '+' << padding_after[0] << ',' << padding_after[1];
  if (dilations != std::array<std::int64_t, 2>{1, 1}) {
    out << " dilations " << dilations[0] << 'x' << dilations[1];
  }
  if (groups != 1) out << " groups " << groups;
  if (bias_gradient) out << " bias";
  if (!tail.outputs().empty()) out << ' ' << text_of_tail(tail, "bias", "relu_backward");
  return out.str();
}

Value conv2d(Value x, Value kernel, const Conv2DAttributes& attributes) {
  Graph& graph = *x.graph;
  require(x.shape().rank() == 4 && kernel.shape().rank() == 4, graph,
          "conv2d: expected an image batch (batch, height, width, channels), received ", x.shape());
  const Shape& k = kernel.shape();
  require(x.shape()[3] == k[2] * attributes.groups && k[3] % attributes.groups == 0, graph,
          "conv2d: channels of ", x.shape(), " do not fit a kernel of ", k, " in ",
          attributes.groups, " groups");
  Shape y = x.shape();
  y[3] = k[3];
  for (std::size_t d = 0; d < 2; ++d) {
    const std::int64_t reach = (k[d] - 1) * attributes.dilations[d] + 1;
    const std::int64_t padded =
        x.shape()[d + 1] + attributes.padding_before[d] + attributes.padding_after[d];
    require(padded >= reach, graph, "conv2d: kernel of ", k[0], "x", k[1],
            " (dilated) does not fit an input of ", x.shape());
    y[d + 1] = (padded - reach) / attributes.strides[d] + 1;
  }
  const Value operands[] = {x, kernel};
  require_same_dtype(graph, "conv2d", operands);
  return graph.append(conv2d_op, {x, kernel}, share(attributes), {{x.dtype(), y}})[0];
}

Value conv2d_backward_data(Value dy, Value kernel, Shape x_shape,
                           const Conv2DAttributes& attributes) {
  const Value operands[] = {dy, kernel};
  require_same_dtype(*dy.graph, "conv2d_backward_data", operands);
  return dy.graph->append(conv2d_backward_data_op, {dy, kernel}, share(attributes),
                          {{dy.dtype(), x_shape}})[0];
}

std::vector<Value> conv2d_backward_weights(Value x, Value dy, Shape kernel_shape,
                                           const Conv2DAttributes& attributes) {
  std::vector<ValueType> outputs{{dy.dtype(), kernel_shape}};
  if (attributes.bias_gradient) outputs.push_back({DType::float32, {kernel_shape[3]}});
  return x.graph->append(conv2d_backward_weights_op, {x, dy}, share(attributes), outputs);
}

}  // namespace stoker::ops
