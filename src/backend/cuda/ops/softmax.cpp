// Op softmax, and log_softmax, along the last axis.
#include "backend/cuda/ops/softmax.h"

#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"

namespace stoker::backend::cuda {
namespace {

using graph::Node;
using graph::ValueId;

void lower_softmax(Lowering& lowering, const Node& node) {
  const Rows rows(lowering.shape(node.inputs[0]));
  const softmax_params params{.rows = rows.count,
                              .columns = int32(rows.columns),
                              .log = ops::attributes_of<ops::SoftmaxAttributes>(node).log,
                              .element = element_of(lowering.dtype(node.inputs[0]))};
  Pack<softmax_params> pack(params);
  pack.point(&softmax_params::x, Operand::of(node.inputs[0]))
      .point(&softmax_params::y, Operand::of(node.outputs[0]));
  lowering.launch(params, pack);
}

}  // namespace

STOKER_CUDA_KERNEL(softmax, Threads::meet, Loads::wide)
Grid grid_of(const softmax_params& p) { return teams_for(p.rows, p.columns); }

const CudaOp softmax_on_cuda = with_kernels(&lower_softmax, Elements::any_type);

}  // namespace stoker::backend::cuda
