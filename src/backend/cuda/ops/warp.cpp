// Ops warp and warp_backward.
#include "backend/cuda/ops/warp.h"

#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"

namespace stoker::backend::cuda {
namespace {

template <class Params>
Params params_of(const Shape& x, const graph::Node& node) {
  const auto& attributes = ops::attributes_of<ops::WarpAttributes>(node);
  Params params;
  params.batch = x[0];
  params.height = int32(x[1]);
  params.width = int32(x[2]);
  params.to_height = int32(attributes.height);
  params.to_width = int32(attributes.width);
  params.channels = int32(x[3]);
  params.is_linear = attributes.is_linear ? 1 : 0;
  params.fill = static_cast<std::int32_t>(attributes.fill);
  params.fill_value = attributes.fill_value;
  return params;
}

void lower_warp(Lowering& lowering, const graph::Node& node) {
  const auto params = params_of<warp_params>(lowering.shape(node.inputs[0]), node);
  Pack<warp_params> pack(params);
  pack.point(&warp_params::x, Operand::of(node.inputs[0]))
      .point(&warp_params::transforms, Operand::of(node.inputs[1]))
      .point(&warp_params::y, Operand::of(node.outputs[0]));
  lowering.launch(params, pack);
}

void lower_warp_backward(Lowering& lowering, const graph::Node& node) {
  const auto params = params_of<warp_backward_params>(lowering.shape(node.outputs[0]), node);
  Pack<warp_backward_params> pack(params);
  pack.point(&warp_backward_params::dy, Operand::of(node.inputs[0]))
      .point(&warp_backward_params::transforms, Operand::of(node.inputs[1]))
      .point(&warp_backward_params::dx, Operand::of(node.outputs[0]));
  lowering.launch(params, pack);
}

}  // namespace

STOKER_CUDA_KERNEL(warp, Threads::alone, Loads::single)
Grid grid_of(const warp_params& p) {
  return threads_for(p.batch * p.to_height * p.to_width * p.channels);
}

STOKER_CUDA_KERNEL(warp_backward, Threads::alone, Loads::single)
Grid grid_of(const warp_backward_params& p) { return threads_for(p.batch * p.channels); }

const CudaOp warp_on_cuda = with_kernels(&lower_warp, Elements::float32_only);
const CudaOp warp_backward_on_cuda = with_kernels(&lower_warp_backward, Elements::float32_only);

}  // namespace stoker::backend::cuda
