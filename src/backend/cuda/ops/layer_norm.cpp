// Ops layer_norm and layer_norm_backward.
#include "backend/cuda/ops/layer_norm.h"

#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"

namespace stoker::backend::cuda {
namespace {

using graph::Node;

void lower_layer_norm(Lowering& lowering, const Node& node) {
  const Rows rows(lowering.shape(node.inputs[0]));
  const layer_norm_params params{
      .rows = rows.count,
      .columns = int32(rows.columns),
      .epsilon = ops::attributes_of<ops::LayerNormAttributes>(node).epsilon};
  Pack<layer_norm_params> pack(params);
  pack.point(&layer_norm_params::x, Operand::of(node.inputs[0]))
      .point(&layer_norm_params::gamma, Operand::of(node.inputs[1]))
      .point(&layer_norm_params::beta, Operand::of(node.inputs[2]))
      .point(&layer_norm_params::y, Operand::of(node.outputs[0]))
      .point(&layer_norm_params::mean, Operand::of(node.outputs[1]))
      .point(&layer_norm_params::inverse, Operand::of(node.outputs[2]));
  lowering.launch(params, pack);
}

void lower_layer_norm_backward(Lowering& lowering, const Node& node) {
  const Rows rows(lowering.shape(node.inputs[0]));
  const layer_norm_backward_params params{.rows = rows.count, .columns = int32(rows.columns)};
  Pack<layer_norm_backward_params> pack(params);
  pack.point(&layer_norm_backward_params::x, Operand::of(node.inputs[0]))
      .point(&layer_norm_backward_params::gamma, Operand::of(node.inputs[1]))
      .point(&layer_norm_backward_params::mean, Operand::of(node.inputs[2]))
      .point(&layer_norm_backward_params::inverse, Operand::of(node.inputs[3]))
      .point(&layer_norm_backward_params::dy, Operand::of(node.inputs[4]))
      .point(&layer_norm_backward_params::dx, Operand::of(node.outputs[0]));
  lowering.launch(params, pack);
}

}  // namespace

STOKER_CUDA_KERNEL(layer_norm, Threads::meet, Loads::wide)
Grid grid_of(const layer_norm_params& p) { return teams_for(p.rows, p.columns); }

STOKER_CUDA_KERNEL(layer_norm_backward, Threads::meet, Loads::wide)
Grid grid_of(const layer_norm_backward_params& p) { return teams_for(p.rows, p.columns); }

const CudaOp layer_norm_on_cuda = with_kernels(&lower_layer_norm, Elements::float32_only);
const CudaOp layer_norm_backward_on_cuda =
    with_kernels(&lower_layer_norm_backward, Elements::float32_only);

}  // namespace stoker::backend::cuda
