// Ops slice and slice_backward, and the copy that reshape makes.
#include "backend/cuda/ops/slice.h"

#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"

namespace stoker::backend::cuda {
namespace {

using graph::Node;
using graph::ValueId;

// Returns how many accesses move `elements` of a slice.
template <class Params>
std::int64_t accesses(const Params& p, std::int64_t element_bytes, std::int64_t elements) {
  const std::int64_t inner = p.inner * element_bytes;
  return elements * element_bytes /
         access_bytes(p.from * inner | p.begin * inner | p.extent * inner);
}

void lower_slice(Lowering& lowering, const Node& node) {
  const auto& attributes = ops::attributes_of<ops::SliceAttributes>(node);
  const Shape& x = lowering.shape(node.inputs[0]);
  const auto [outer, inner] = around(x, attributes.axis);
  copy_slice(lowering, node,
             {.outer = outer,
              .from = x[static_cast<std::size_t>(attributes.axis)],
              .inner = inner,
              .begin = attributes.begin,
              .extent = attributes.extent,
              .element_bytes = lowering.bytes_of_element(node.inputs[0])});
}

void lower_slice_backward(Lowering& lowering, const Node& node) {
  const auto& attributes = ops::attributes_of<ops::SliceAttributes>(node);
  const Shape& dx = lowering.shape(node.outputs[0]);
  const auto [outer, inner] = around(dx, attributes.axis);
  const slice_backward_params params{.outer = outer,
                                     .from = dx[static_cast<std::size_t>(attributes.axis)],
                                     .inner = inner,
                                     .begin = attributes.begin,
                                     .extent = attributes.extent,
                                     .element_bytes = lowering.bytes_of_element(node.outputs[0])};
  Pack<slice_backward_params> pack(params);
  pack.point(&slice_backward_params::dy, Operand::of(node.inputs[0]))
      .point(&slice_backward_params::dx, Operand::of(node.outputs[0]));
  lowering.launch(params, pack);
}

}  // namespace

STOKER_CUDA_KERNEL(slice, Threads::alone, Loads::wide)
Grid grid_of(const slice_params& p) {
  return threads_for(accesses(p, p.element_bytes, p.outer * p.extent * p.inner));
}

STOKER_CUDA_KERNEL(slice_backward, Threads::alone, Loads::wide)
Grid grid_of(const slice_backward_params& p) {
  return threads_for(accesses(p, p.element_bytes, p.outer * p.from * p.inner));
}

void copy_slice(Lowering& lowering, const graph::Node& node, const slice_params& params) {
  Pack<slice_params> pack(params);
  pack.point(&slice_params::x, Operand::of(node.inputs[0]))
      .point(&slice_params::y, Operand::of(node.outputs[0]));
  lowering.launch(params, pack);
}

const CudaOp slice_on_cuda = with_kernels(&lower_slice, Elements::any_type);
const CudaOp slice_backward_on_cuda = with_kernels(&lower_slice_backward, Elements::any_type);

}  // namespace stoker::backend::cuda
