// Op transpose.
#include "backend/cuda/ops/transpose.h"

#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"

namespace stoker::backend::cuda {
namespace {

void lower_transpose(Lowering& lowering, const graph::Node& node) {
  const Shape& shape = lowering.shape(node.inputs[0]);
  const auto merged =
      ops::merged_transpose(shape, ops::attributes_of<ops::TransposeAttributes>(node).order);
  const std::int64_t element = lowering.bytes_of_element(node.inputs[0]);
  // Where the last axis stays the last, a run of it is a whole number of larger units.
  const std::size_t rank = merged.extents.rank();
  const bool keeps_last = rank > 0 && merged.strides.back() == 1;
  std::int64_t unit = element;
  if (keeps_last) {
    std::int64_t sizes = merged.extents.back() * element;
    for (std::size_t axis = 0; axis + 1 < rank; ++axis) sizes |= merged.strides[axis] * element;
    unit = access_bytes(sizes);
  }
  transpose_params params{.count = shape.elements() * element / unit,
                          .extents = {},
                          .strides = {},
                          .unit_bytes = int32(unit)};
  for (std::size_t k = 0; k < static_cast<std::size_t>(kTransposeAxes); ++k) {
    const bool is_last = k + 1 == rank;
    params.extents[k] = k < rank ? merged.extents[k] : 1;
    params.strides[k] = k < rank ? merged.strides[k] : 0;
    if (k < rank && unit != element) {
      if (is_last) params.extents[k] = params.extents[k] * element / unit;
      if (!is_last) params.strides[k] = params.strides[k] * element / unit;
    }
  }
  Pack<transpose_params> pack(params);
  pack.point(&transpose_params::x, Operand::of(node.inputs[0]))
      .point(&transpose_params::y, Operand::of(node.outputs[0]));
  lowering.launch(params, pack);
}

}  // namespace

STOKER_CUDA_KERNEL(transpose, Threads::alone, Loads::wide)
Grid grid_of(const transpose_params& p) { return threads_for(p.count); }

const CudaOp transpose_on_cuda = with_kernels(&lower_transpose, Elements::any_type);

}  // namespace stoker::backend::cuda
