// Op one_hot.
#include "backend/cuda/ops/one_hot.h"

#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"

namespace stoker::backend::cuda {
namespace {

using graph::Node;
using graph::ValueId;

void lower_one_hot(Lowering& lowering, const Node& node) {
  const std::int64_t rows = lowering.shape(node.inputs[0]).elements();
  const one_hot_params params{.rows = rows,
                              .classes = int32(lowering.shape(node.outputs[0]).back()),
                              .node = lowering.id()};
  Pack<one_hot_params> pack(params);
  pack.point(&one_hot_params::labels, Operand::of(node.inputs[0]))
      .point(&one_hot_params::y, Operand::of(node.outputs[0]))
      .point(&one_hot_params::scalars, Operand::scalars())
      .point(&one_hot_params::counters, Operand::counters(lowering.take_counters(kLabelCounters)));
  lowering.launch(params, pack);
}

}  // namespace

STOKER_CUDA_KERNEL(one_hot, Threads::meet, Loads::single)
Grid grid_of(const one_hot_params& p) { return teams_for(p.rows, p.classes); }

const CudaOp one_hot_on_cuda = with_kernels(&lower_one_hot, Elements::float32_only);

}  // namespace stoker::backend::cuda
