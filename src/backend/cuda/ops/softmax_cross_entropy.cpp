// Op softmax_cross_entropy.
#include "backend/cuda/ops/softmax_cross_entropy.h"

#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"

namespace stoker::backend::cuda {
namespace {

using graph::Node;
using graph::ValueId;

Labels labels_of(const Lowering& lowering, ValueId labels) {
  return lowering.shape(labels).rank() > 1 ? Labels::float_rows : lowering.classes_of(labels);
}

void lower_cross_entropy(Lowering& lowering, const Node& node) {
  using Params = softmax_cross_entropy_params;
  const Rows rows(lowering.shape(node.inputs[0]));
  const Params params{.rows = rows.count,
                      .columns = int32(rows.columns),
                      .kind = labels_of(lowering, node.inputs[1]),
                      .node = lowering.id()};
  Pack<Params> pack(params);
  pack.point(&Params::logits, Operand::of(node.inputs[0]))
      .point(&Params::labels, Operand::of(node.inputs[1]))
      .point(&Params::loss, Operand::of(node.outputs[0]))
      .point(&Params::gradient, Operand::of(node.outputs[1]))
      .point(&Params::scalars, Operand::scalars());
  if (params.kind != Labels::float_rows) {
    pack.point(&Params::counters, Operand::counters(lowering.take_counters(kLabelCounters)));
  }
  lowering.launch(params, pack);
}

}  // namespace

STOKER_CUDA_KERNEL(softmax_cross_entropy, Threads::meet, Loads::wide)
Grid grid_of(const softmax_cross_entropy_params& p) { return teams_for(p.rows, p.columns); }

const CudaOp softmax_cross_entropy_on_cuda =
    with_kernels(&lower_cross_entropy, Elements::float32_only);

}  // namespace stoker::backend::cuda
