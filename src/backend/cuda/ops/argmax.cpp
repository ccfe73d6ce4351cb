// Op argmax.
#include "backend/cuda/ops/argmax.h"

#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"

namespace stoker::backend::cuda {
namespace {

using graph::Node;
using graph::ValueId;

void lower_argmax(Lowering& lowering, const Node& node) {
  const Rows rows(lowering.shape(node.inputs[0]));
  const argmax_params params{.rows = rows.count, .columns = int32(rows.columns)};
  Pack<argmax_params> pack(params);
  pack.point(&argmax_params::x, Operand::of(node.inputs[0]))
      .point(&argmax_params::y, Operand::of(node.outputs[0]));
  lowering.launch(params, pack);
}

}  // namespace

STOKER_CUDA_KERNEL(argmax, Threads::meet, Loads::wide)
Grid grid_of(const argmax_params& p) { return teams_for(p.rows, p.columns); }

const CudaOp argmax_on_cuda = with_kernels(&lower_argmax, Elements::float32_only);

}  // namespace stoker::backend::cuda
