// Ops pool2d and pool2d_backward.
#include "backend/cuda/ops/pool2d.h"

#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"

namespace stoker::backend::cuda {
namespace {

using graph::Node;
using graph::ValueId;

Window window(const ops::Pool2DAttributes& attributes, const Shape& x, const Shape& y) {
  return {.n = int32(x[0]),
          .h = int32(x[1]),
          .w = int32(x[2]),
          .c = int32(x[3]),
          .p = int32(y[1]),
          .q = int32(y[2]),
          .window_h = int32(attributes.window[0]),
          .window_w = int32(attributes.window[1]),
          .stride_h = int32(attributes.strides[0]),
          .stride_w = int32(attributes.strides[1]),
          .before_h = int32(attributes.padding_before[0]),
          .before_w = int32(attributes.padding_before[1])};
}

void lower_pool2d(Lowering& lowering, const Node& node) {
  const auto& attributes = ops::attributes_of<ops::Pool2DAttributes>(node);
  const ValueId in = node.inputs[0];
  const ValueId out = node.outputs[0];
  const bool is_max = node.outputs.size() > 1;
  const pool2d_params params{
      .at = window(attributes, lowering.shape(in), lowering.shape(out)),
      .element = element_of(lowering.dtype(in)),
      .wide = is_max && lowering.dtype(node.outputs[1]) == DType::int32 ? 1 : 0};
  Pack<pool2d_params> pack(params);
  pack.point(&pool2d_params::x, Operand::of(in)).point(&pool2d_params::y, Operand::of(out));
  if (is_max) {
    pack.point(&pool2d_params::argmax, Operand::of(node.outputs[1]));
  }
  lowering.launch(params, pack);
}

void lower_pool2d_backward(Lowering& lowering, const Node& node) {
  const auto& attributes = ops::attributes_of<ops::Pool2DAttributes>(node);
  const ValueId in = node.inputs[0];
  const ValueId out = node.outputs[0];
  const bool is_max = node.inputs.size() > 1;
  const pool2d_backward_params params{
      .at = window(attributes, lowering.shape(out), lowering.shape(in)),
      .element = element_of(lowering.dtype(in)),
      .wide = is_max && lowering.dtype(node.inputs[1]) == DType::int32 ? 1 : 0};
  Pack<pool2d_backward_params> pack(params);
  pack.point(&pool2d_backward_params::dy, Operand::of(in))
      .point(&pool2d_backward_params::dx, Operand::of(out));
  if (is_max) {
    pack.point(&pool2d_backward_params::argmax, Operand::of(node.inputs[1]));
  }
  lowering.launch(params, pack);
}

}  // namespace

STOKER_CUDA_KERNEL(pool2d, Threads::alone, Loads::wide)
Grid grid_of(const pool2d_params& p) {
  const Window& w = p.at;
  return threads_for(product(w.n, w.p, w.q, w.c / pack_width(w.c, bytes_of(p.element))));
}

STOKER_CUDA_KERNEL(pool2d_backward, Threads::alone, Loads::wide)
Grid grid_of(const pool2d_backward_params& p) {
  const Window& w = p.at;
  return threads_for(product(w.n, w.h, w.w, w.c / pack_width(w.c, bytes_of(p.element))));
}

const CudaOp pool2d_on_cuda = with_kernels(&lower_pool2d, Elements::any_type);
const CudaOp pool2d_backward_on_cuda = with_kernels(&lower_pool2d_backward, Elements::any_type);

}  // namespace stoker::backend::cuda
