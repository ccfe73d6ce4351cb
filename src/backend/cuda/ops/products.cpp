// Matrix products and convolutions: by cuDNN, or by our own kernels where it refuses them.
#include "backend/cuda/cudnn_plan.h"
#include "backend/cuda/lower.h"
#include "backend/cuda/lowering.h"

namespace stoker::backend::cuda {

using graph::Graph;
using graph::Node;
using graph::ValueId;
using ops::OpIndex;

namespace {

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

}  // namespace

void Lowering::lower_product(const Node& node) {
  // cuDNN does not sum a bias gradient along; graphs that are optimized do not ask for it.
  if (node.outputs.size() > 1) return lower_refused(node);
  const auto product = accepted_product(spec_of(graph_, node, options_.tf32), dnn_);
  if (!product) return lower_refused(node);
  const DnnSpec& spec = product->spec;
  const auto workspace = dnn_.workspace_of(spec);
  // Of a kernel's gradient cuDNN takes dy first, we the image.
  const bool weights = is(node, OpIndex::conv2d_backward_weights);
  const bool swapped = weights != product->swapped;
  DnnLaunch launch;
  launch.spec = spec;
  launch.a = Operand::of(node.inputs[swapped ? 1 : 0]);
  launch.b = Operand::of(node.inputs[swapped ? 0 : 1]);
  if (spec.bias) launch.bias = Operand::of(node.inputs[2]);
  if (spec.aux) launch.aux = Operand::of(node.inputs.back());
  launch.y = Operand::of(node.outputs[0]);
  if (*workspace > 0) launch.workspace = Operand::workspace(id_, take_workspace(id_, *workspace));
  append(std::move(launch), std::string("cudnn ") + node.op->name, id_, id_);
}

void Lowering::lower_refused(const Node& node) {
  if (is(node, OpIndex::matmul)) return lower_own_matmul(node);
  lower_own_convolution(node);
}

void Lowering::lower_own_matmul(const Node& node) {
  const auto& attributes = ops::attributes_of<ops::MatMulAttributes>(node);
  const Shape& a = shape(node.inputs[0]);
  const Shape& y = shape(node.outputs[0]);
  const matmul_params params{.m = int32(y[0]),
                             .n = int32(y[1]),
                             .k = int32(a[attributes.transpose_a ? 0 : 1]),
                             .transpose_a = attributes.transpose_a,
                             .transpose_b = attributes.transpose_b,
                             .relu = attributes.epilogue == ops::Epilogue::relu};
  Pack<matmul_params> pack(params);
  pack.point(&matmul_params::a, Operand::of(node.inputs[0]))
      .point(&matmul_params::b, Operand::of(node.inputs[1]))
      .point(&matmul_params::y, Operand::of(node.outputs[0]));
  if (attributes.has_bias) pack.point(&matmul_params::bias, Operand::of(node.inputs[2]));
  launch(KernelId::matmul, params, pack);
}

void Lowering::lower_own_convolution(const Node& node) {
  const auto& attributes = ops::attributes_of<ops::Conv2DAttributes>(node);
  if (is(node, OpIndex::conv2d)) {
    const conv2d_params params{.at = convolution(attributes, shape(node.inputs[0]),
                                                 shape(node.inputs[1]), shape(node.outputs[0])),
                               .relu = attributes.epilogue == ops::Epilogue::relu};
    Pack<conv2d_params> pack(params);
    pack.point(&conv2d_params::x, Operand::of(node.inputs[0]))
        .point(&conv2d_params::kernel, Operand::of(node.inputs[1]))
        .point(&conv2d_params::y, Operand::of(node.outputs[0]));
    if (attributes.has_bias) pack.point(&conv2d_params::bias, Operand::of(node.inputs[2]));
    return launch(KernelId::conv2d, params, pack);
  }
  if (is(node, OpIndex::conv2d_backward_data)) {
    const conv2d_backward_data_params params{.at = convolution(attributes, shape(node.outputs[0]),
                                                               shape(node.inputs[1]),
                                                               shape(node.inputs[0]))};
    Pack<conv2d_backward_data_params> pack(params);
    pack.point(&conv2d_backward_data_params::dy, Operand::of(node.inputs[0]))
        .point(&conv2d_backward_data_params::kernel, Operand::of(node.inputs[1]))
        .point(&conv2d_backward_data_params::dx, Operand::of(node.outputs[0]));
    return launch(KernelId::conv2d_backward_data, params, pack);
  }
  const conv2d_backward_weights_params params{.at = convolution(attributes, shape(node.inputs[0]),
                                                                shape(node.outputs[0]),
                                                                shape(node.inputs[1]))};
  Pack<conv2d_backward_weights_params> pack(params);
  pack.point(&conv2d_backward_weights_params::x, Operand::of(node.inputs[0]))
      .point(&conv2d_backward_weights_params::dy, Operand::of(node.inputs[1]))
      .point(&conv2d_backward_weights_params::dkernel, Operand::of(node.outputs[0]));
  if (attributes.has_bias) {
    pack.point(&conv2d_backward_weights_params::dbias, Operand::of(node.outputs[1]));
  }
  launch(KernelId::conv2d_backward_weights, params, pack);
}
DnnSpec spec_of(const Graph& graph, const Node& node, bool tf32) {
  const auto shape = [&](ValueId value) -> const Shape& { return graph.info(value).type.shape; };
  const DType result = graph.info(node.outputs[0]).type.dtype;
  const DnnTypes types{.operands = graph.info(node.inputs[0]).type.dtype,
                       .bias = result,
                       .result = result,
                       .tf32 = tf32};
  if (node.op->index == static_cast<int>(OpIndex::matmul)) {
    return matmul_spec(shape(node.inputs[0]), shape(node.inputs[1]),
                       ops::attributes_of<ops::MatMulAttributes>(node), types);
  }
  const auto& attributes = ops::attributes_of<ops::Conv2DAttributes>(node);
  switch (static_cast<OpIndex>(node.op->index)) {
    case OpIndex::conv2d_backward_data:
      return conv2d_backward_data_spec(shape(node.outputs[0]), shape(node.inputs[1]), attributes,
                                       types);
    case OpIndex::conv2d_backward_weights:
      return conv2d_backward_weights_spec(shape(node.inputs[0]), shape(node.outputs[0]), attributes,
                                          types);
    default:
      return conv2d_spec(shape(node.inputs[0]), shape(node.inputs[1]), attributes, types);
  }
}

std::optional<DnnProduct> accepted_product(const DnnSpec& spec, DnnCompiler& dnn) {
  if (dnn.workspace_of(spec)) return DnnProduct{spec, false};
  if (spec.kind != DnnKind::matmul) return std::nullopt;
  auto convolution = as_convolution(spec);
  if (convolution && dnn.workspace_of(convolution->spec)) return convolution;
  return std::nullopt;
}

}  // namespace stoker::backend::cuda
