// pool2d takes the maximum or the average over windows of an image (NHWC).
#include "ops/common.h"

namespace stoker::ops {
namespace {

std::vector<Value> gradient(Graph& graph, NodeId id, std::span<const Value> dy) {
  const Node node = graph.node(id);
  const auto& attributes = attributes_of<Pool2DAttributes>(node);
  const Value argmax = attributes.kind == PoolKind::max ? graph.value(node.outputs[1]) : Value{};
  return {pool2d_backward(dy[0], argmax, graph.info(node.inputs[0]).type.shape, attributes)};
}

}  // namespace

const Op pool2d_op =
    define("pool2d", OpIndex::pool2d, gradient,
           {.takes_any_dtype = false, .writes_scalars = false, .multiply_adds = nullptr});
const Op pool2d_backward_op = define_without_gradient(
    "pool2d_backward", OpIndex::pool2d_backward, "second derivatives are not offered",
    {.takes_any_dtype = false, .writes_scalars = false, .multiply_adds = nullptr});

std::string Pool2DAttributes::text() const {
  return format(kind == PoolKind::max ? "max " : "average ", window[0], 'x', window[1], " strides ",
                strides[0], 'x', strides[1], " padding ", padding_before[0], ',', padding_before[1],
                '+', padding_after[0], ',', padding_after[1]);
}

Value pool2d(Value x, const Pool2DAttributes& attributes) {
  Graph& graph = *x.graph;
  require(x.shape().rank() == 4, graph,
          "pool2d: expected an image batch (batch, height, width, channels), received ", x.shape());
  Shape y = x.shape();
  for (std::size_t d = 0; d < 2; ++d) {
    const std::int64_t padded =
        x.shape()[d + 1] + attributes.padding_before[d] + attributes.padding_after[d];
    require(padded >= attributes.window[d], graph, "window (", attributes.window[0], ", ",
            attributes.window[1], ") does not fit input ", x.shape());
    y[d + 1] = (padded - attributes.window[d]) / attributes.strides[d] + 1;
  }
  std::vector<ValueType> outputs{{x.dtype(), y}};
  if (attributes.kind == PoolKind::max) {
    constexpr std::int64_t kMostPlacesOfBytes = 255;
    const bool is_wide = attributes.window[0] * attributes.window[1] > kMostPlacesOfBytes;
    outputs.push_back({is_wide ? DType::int32 : DType::uint8, y});
  }
  return graph.append(pool2d_op, {x}, share(attributes), outputs)[0];
}

Value pool2d_backward(Value dy, Value argmax, Shape x_shape, const Pool2DAttributes& attributes) {
  std::vector<Value> inputs{dy};
  if (argmax) inputs.push_back(argmax);
  return dy.graph->append(pool2d_backward_op, inputs, share(attributes),
                          {{dy.dtype(), x_shape}})[0];
}

}  // namespace stoker::ops
