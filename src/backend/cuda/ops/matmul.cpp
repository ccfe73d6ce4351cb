// Op matmul, which cuDNN computes, or our own kernel where cuDNN refuses.
#include "backend/cuda/ops/matmul.h"

#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/kernels/tiling.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"
#include "ops/tail.h"

namespace stoker::backend::cuda {
namespace {

using graph::Node;
using graph::ValueId;

DnnSpec spec_of_matmul(const graph::Graph& graph, const Node& node, const DnnTypes& types) {
  const auto shape = [&](ValueId value) -> const Shape& { return graph.info(value).type.shape; };
  return matmul_spec(shape(node.inputs[0]), shape(node.inputs[1]),
                     ops::attributes_of<ops::MatMulAttributes>(node), types);
}

void lower_matmul(Lowering& lowering, const Node& node) {
  const auto& attributes = ops::attributes_of<ops::MatMulAttributes>(node);
  const ops::GatedSum tail = ops::gated_sum_of(attributes.tail);
  const Shape& a = lowering.shape(node.inputs[0]);
  const Shape& y = lowering.shape(node.outputs[0]);
  const matmul_params params{.m = int32(y[0]),
                             .n = int32(y[1]),
                             .k = int32(a[attributes.transpose_a ? 0 : 1]),
                             .transpose_a = attributes.transpose_a,
                             .transpose_b = attributes.transpose_b,
                             .relu = tail.relu};
  Pack<matmul_params> pack(params);
  pack.point(&matmul_params::a, Operand::of(node.inputs[0]))
      .point(&matmul_params::b, Operand::of(node.inputs[1]))
      .point(&matmul_params::y, Operand::of(node.outputs[0]));
  if (tail.addend >= 0) pack.point(&matmul_params::bias, Operand::of(node.inputs[2]));
  lowering.launch(params, pack);
}

bool takes_tail(const graph::Graph& graph, const Node& node, const Accepts& accepts) {
  return ops::has_relu_gradient(graph, node) ? takes_relu_gradient(graph, node, accepts)
                                             : takes_bias_and_relu(graph, node, accepts);
}

}  // namespace

STOKER_CUDA_KERNEL(matmul, Threads::meet, Loads::single)
Grid grid_of(const matmul_params& p) {
  return blocks_of(divide_up(p.m, kTile) * divide_up(p.n, kTile));
}

const CudaOp matmul_on_cuda =
    by_cudnn(&spec_of_matmul, &lower_matmul, Elements::float32_only, &takes_tail);

}  // namespace stoker::backend::cuda
