// Op conv2d and its gradients, which cuDNN computes, or our own kernels where cuDNN refuses.
#include "backend/cuda/ops/conv2d.h"

#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/kernels/tiling.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"
#include "ops/tail.h"

namespace stoker::backend::cuda {
namespace {

using graph::Node;
using graph::ValueId;

Convolution convolution(const ops::Conv2DAttributes& attributes, const Shape& image,
                        const Shape& kernel, const Shape& result) {
  return {.n = int32(image[0]),
          .h = int32(image[1]),
          .w = int32(image[2]),
          .c = int32(image[3]),
          .kh = int32(kernel[0]),
          .kw = int32(kernel[1]),
          .o = int32(kernel[3]),
          .p = int32(result[1]),
          .q = int32(result[2]),
          .stride_h = int32(attributes.strides[0]),
          .stride_w = int32(attributes.strides[1]),
          .dilation_h = int32(attributes.dilations[0]),
          .dilation_w = int32(attributes.dilations[1]),
          .before_h = int32(attributes.padding_before[0]),
          .before_w = int32(attributes.padding_before[1]),
          .groups = int32(attributes.groups)};
}

DnnSpec spec_of_conv2d(const graph::Graph& graph, const Node& node, const DnnTypes& types) {
  const auto shape = [&](ValueId value) -> const Shape& { return graph.info(value).type.shape; };
  return conv2d_spec(shape(node.inputs[0]), shape(node.inputs[1]),
                     ops::attributes_of<ops::Conv2DAttributes>(node), types);
}
DnnSpec spec_of_backward_data(const graph::Graph& graph, const Node& node, const DnnTypes& types) {
  const auto shape = [&](ValueId value) -> const Shape& { return graph.info(value).type.shape; };
  return conv2d_backward_data_spec(shape(node.outputs[0]), shape(node.inputs[1]),
                                   ops::attributes_of<ops::Conv2DAttributes>(node), types);
}
DnnSpec spec_of_backward_weights(const graph::Graph& graph, const Node& node,
                                 const DnnTypes& types) {
  const auto shape = [&](ValueId value) -> const Shape& { return graph.info(value).type.shape; };
  return conv2d_backward_weights_spec(shape(node.inputs[0]), shape(node.outputs[0]),
                                      ops::attributes_of<ops::Conv2DAttributes>(node), types);
}

void lower_conv2d(Lowering& lowering, const Node& node) {
  const auto& attributes = ops::attributes_of<ops::Conv2DAttributes>(node);
  const ops::GatedSum tail = ops::gated_sum_of(attributes.tail);
  const conv2d_params params{
      .at = convolution(attributes, lowering.shape(node.inputs[0]), lowering.shape(node.inputs[1]),
                        lowering.shape(node.outputs[0])),
      .relu = tail.relu};
  Pack<conv2d_params> pack(params);
  pack.point(&conv2d_params::x, Operand::of(node.inputs[0]))
      .point(&conv2d_params::kernel, Operand::of(node.inputs[1]))
      .point(&conv2d_params::y, Operand::of(node.outputs[0]));
  if (tail.addend >= 0) pack.point(&conv2d_params::bias, Operand::of(node.inputs[2]));
  lowering.launch(params, pack);
}

void lower_backward_data(Lowering& lowering, const Node& node) {
  const auto& attributes = ops::attributes_of<ops::Conv2DAttributes>(node);
  const conv2d_backward_data_params params{
      .at = convolution(attributes, lowering.shape(node.outputs[0]), lowering.shape(node.inputs[1]),
                        lowering.shape(node.inputs[0]))};
  Pack<conv2d_backward_data_params> pack(params);
  pack.point(&conv2d_backward_data_params::dy, Operand::of(node.inputs[0]))
      .point(&conv2d_backward_data_params::kernel, Operand::of(node.inputs[1]))
      .point(&conv2d_backward_data_params::dx, Operand::of(node.outputs[0]));
  lowering.launch(params, pack);
}

void lower_backward_weights(Lowering& lowering, const Node& node) {
  const auto& attributes = ops::attributes_of<ops::Conv2DAttributes>(node);
  const conv2d_backward_weights_params params{
      .at = convolution(attributes, lowering.shape(node.inputs[0]), lowering.shape(node.outputs[0]),
                        lowering.shape(node.inputs[1]))};
  Pack<conv2d_backward_weights_params> pack(params);
  pack.point(&conv2d_backward_weights_params::x, Operand::of(node.inputs[0]))
      .point(&conv2d_backward_weights_params::dy, Operand::of(node.inputs[1]))
      .point(&conv2d_backward_weights_params::dkernel, Operand::of(node.outputs[0]));
  if (attributes.bias_gradient) {
    pack.point(&conv2d_backward_weights_params::dbias, Operand::of(node.outputs[1]));
  }
  lowering.launch(params, pack);
}

}  // namespace

STOKER_CUDA_KERNEL(conv2d, Threads::alone, Loads::wide)
Grid grid_of(const conv2d_params& p) {
  const Convolution& at = p.at;
  return threads_for(product(at.n, at.p, at.q, at.o / pack_width(at.o / at.groups)));
}

STOKER_CUDA_KERNEL(conv2d_backward_data, Threads::alone, Loads::wide)
Grid grid_of(const conv2d_backward_data_params& p) {
  const Convolution& at = p.at;
  return threads_for(product(at.n, at.h, at.w, at.c));
}

STOKER_CUDA_KERNEL(conv2d_backward_weights, Threads::meet, Loads::single)
Grid grid_of(const conv2d_backward_weights_params& p) {
  const Convolution& at = p.at;
  return blocks_of(product(at.kh, at.kw, at.c / at.groups, divide_up(at.o, kWeightLanes)));
}

const CudaOp conv2d_on_cuda =
    by_cudnn(&spec_of_conv2d, &lower_conv2d, Elements::float32_only, &takes_bias_and_relu);
const CudaOp conv2d_backward_data_on_cuda = by_cudnn(&spec_of_backward_data, &lower_backward_data,
                                                     Elements::float32_only, &takes_relu_gradient);
const CudaOp conv2d_backward_weights_on_cuda =
    by_cudnn(&spec_of_backward_weights, &lower_backward_weights, Elements::float32_only);

}  // namespace stoker::backend::cuda
