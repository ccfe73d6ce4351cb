// Op advance: one thread decides whether the step counts.
#include "backend/cuda/ops/advance.h"

#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"
#include "plan/advance_scalars.h"

namespace stoker::backend::cuda {
namespace {

using graph::Node;
using graph::ValueId;

void lower_advance(Lowering& lowering, const Node& node) {
  const auto& attributes = ops::attributes_of<ops::AdvanceAttributes>(node);
  const advance_params params{
      .node = lowering.id(),
      .growth_steps = attributes.counts ? attributes.scale_growth_steps : plan::kCountsNothing};
  Pack<advance_params> pack(params);
  pack.point(&advance_params::loss, Operand::of(node.inputs[0]))
      .point(&advance_params::scalars, Operand::scalars());
  if (node.inputs.size() > 1) {
    pack.point(&advance_params::largest_gradient, Operand::of(node.inputs[1]));
  }
  lowering.launch(params, pack);
}

}  // namespace

STOKER_CUDA_KERNEL(advance, Threads::alone, Loads::single)
Grid grid_of(const advance_params&) { return {.blocks = 1, .threads = 1, .shared_bytes = 0}; }

const CudaOp advance_on_cuda = with_kernels(&lower_advance, Elements::float32_only);

}  // namespace stoker::backend::cuda
