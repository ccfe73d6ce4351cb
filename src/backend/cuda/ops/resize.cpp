// Ops resize and resize_backward.
#include "backend/cuda/ops/resize.h"

#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"

namespace stoker::backend::cuda {
namespace {

template <class Params>
Params params_of(const Shape& x, const graph::Node& node) {
  const auto& attributes = ops::attributes_of<ops::ResizeAttributes>(node);
  const auto [outer, inner] = around(x, attributes.axis);
  Params params;
  params.outer = outer;
  params.inner = inner;
  params.from = int32(x[static_cast<std::size_t>(attributes.axis)]);
  params.to = int32(attributes.extent);
  params.is_linear = attributes.is_linear ? 1 : 0;
  return params;
}

void lower_resize(Lowering& lowering, const graph::Node& node) {
  const auto params = params_of<resize_params>(lowering.shape(node.inputs[0]), node);
  Pack<resize_params> pack(params);
  pack.point(&resize_params::x, Operand::of(node.inputs[0]))
      .point(&resize_params::y, Operand::of(node.outputs[0]));
  lowering.launch(params, pack);
}

void lower_resize_backward(Lowering& lowering, const graph::Node& node) {
  const auto params = params_of<resize_backward_params>(lowering.shape(node.outputs[0]), node);
  Pack<resize_backward_params> pack(params);
  pack.point(&resize_backward_params::dy, Operand::of(node.inputs[0]))
      .point(&resize_backward_params::dx, Operand::of(node.outputs[0]));
  lowering.launch(params, pack);
}

}  // namespace

STOKER_CUDA_KERNEL(resize, Threads::alone, Loads::single)
Grid grid_of(const resize_params& p) { return threads_for(p.outer * p.to * p.inner); }

STOKER_CUDA_KERNEL(resize_backward, Threads::alone, Loads::single)
Grid grid_of(const resize_backward_params& p) { return threads_for(p.outer * p.from * p.inner); }

const CudaOp resize_on_cuda = with_kernels(&lower_resize, Elements::float32_only);
const CudaOp resize_backward_on_cuda = with_kernels(&lower_resize_backward, Elements::float32_only);

}  // namespace stoker::backend::cuda
