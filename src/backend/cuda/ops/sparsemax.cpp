// Op sparsemax.
#include "backend/cuda/ops/sparsemax.h"

#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"

namespace stoker::backend::cuda {
namespace {

using graph::Node;
using graph::ValueId;

void lower_sparsemax(Lowering& lowering, const Node& node) {
  const Rows rows(lowering.shape(node.inputs[0]));
  const sparsemax_params params{.rows = rows.count, .columns = int32(rows.columns)};
  Pack<sparsemax_params> pack(params);
  pack.point(&sparsemax_params::x, Operand::of(node.inputs[0]))
      .point(&sparsemax_params::y, Operand::of(node.outputs[0]));
  lowering.launch(params, pack);
}

}  // namespace

STOKER_CUDA_KERNEL(sparsemax, Threads::meet, Loads::wide)
Grid grid_of(const sparsemax_params& p) { return teams_for(p.rows, p.columns); }

const CudaOp sparsemax_on_cuda = with_kernels(&lower_sparsemax, Elements::float32_only);

}  // namespace stoker::backend::cuda
