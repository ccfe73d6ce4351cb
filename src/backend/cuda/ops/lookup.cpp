// Ops lookup and cross_hash.
#include "backend/cuda/ops/lookup.h"

#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"

namespace stoker::backend::cuda {
namespace {

using graph::Node;

void lower_lookup(Lowering& lowering, const Node& node) {
  const bool has_table = node.inputs.size() > 1;
  lookup_params params;
  params.count = lowering.shape(node.inputs[0]).elements();
  params.unknown = ops::attributes_of<ops::LookupAttributes>(node).unknown;
  params.entries = has_table ? int32(lowering.shape(node.inputs[1])[1]) : 0;
  params.node = lowering.id();
  Pack<lookup_params> pack(params);
  pack.point(&lookup_params::numbers, Operand::of(node.inputs[0]))
      .point(&lookup_params::y, Operand::of(node.outputs[0]))
      .point(&lookup_params::scalars, Operand::scalars())
      .point(&lookup_params::counters, Operand::counters(lowering.take_counters(kLabelCounters)));
  if (has_table) pack.point(&lookup_params::table, Operand::of(node.inputs[1]));
  lowering.launch(params, pack);
}

void lower_cross_hash(Lowering& lowering, const Node& node) {
  const Rows rows(lowering.shape(node.inputs[0]));
  cross_hash_params params;
  params.rows = rows.count;
  params.columns = int32(rows.columns);
  params.buckets = ops::attributes_of<ops::CrossHashAttributes>(node).buckets;
  Pack<cross_hash_params> pack(params);
  pack.point(&cross_hash_params::numbers, Operand::of(node.inputs[0]))
      .point(&cross_hash_params::y, Operand::of(node.outputs[0]));
  lowering.launch(params, pack);
}

}  // namespace

STOKER_CUDA_KERNEL(lookup, Threads::meet, Loads::single)
Grid grid_of(const lookup_params& p) { return threads_for(p.count); }

STOKER_CUDA_KERNEL(cross_hash, Threads::alone, Loads::single)
Grid grid_of(const cross_hash_params& p) { return threads_for(p.rows); }

const CudaOp lookup_on_cuda = with_kernels(&lower_lookup, Elements::float32_only);
const CudaOp cross_hash_on_cuda = with_kernels(&lower_cross_hash, Elements::float32_only);

}  // namespace stoker::backend::cuda
