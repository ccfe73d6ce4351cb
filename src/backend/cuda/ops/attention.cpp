// Ops attention and attention_backward.
#include "backend/cuda/ops/attention.h"

#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"

namespace stoker::backend::cuda {
namespace {

using graph::Node;

AttentionShared shared_of(const Lowering& lowering, const Node& node) {
  const auto& attributes = ops::attributes_of<ops::AttentionAttributes>(node);
  const ops::AttentionSizes sizes = ops::attention_sizes(lowering.graph(), node);
  AttentionShared shared;
  shared.batch = int32(sizes.batch);
  shared.queries = int32(sizes.queries);
  shared.keys = int32(sizes.keys);
  shared.heads = int32(sizes.heads);
  shared.key_heads = int32(sizes.key_heads);
  shared.key_dim = int32(sizes.key_dim);
  shared.value_dim = int32(sizes.value_dim);
  shared.scale = attributes.scale;
  shared.dropout = attributes.dropout;
  shared.stream = attributes.stream;
  shared.causal = attributes.causal;
  shared.window = int32(attributes.window);
  shared.blind_is_mean = attributes.blind != ops::BlindQuery::zeros;
  shared.blind_has_gradient = attributes.blind == ops::BlindQuery::mean_with_gradient;
  shared.element = element_of(lowering.dtype(node.inputs[0]));
  return shared;
}

template <class Params>
Pack<Params> pack_of(const Params& params, const Node& node, std::size_t first_mask) {
  const auto& attributes = ops::attributes_of<ops::AttentionAttributes>(node);
  Pack<Params> pack(params);
  pack.point(&Params::in, &AttentionShared::query, Operand::of(node.inputs[0]))
      .point(&Params::in, &AttentionShared::key, Operand::of(node.inputs[1]))
      .point(&Params::in, &AttentionShared::value, Operand::of(node.inputs[2]))
      .point(&Params::in, &AttentionShared::scalars, Operand::scalars());
  if (attributes.has_query_mask) {
    pack.point(&Params::in, &AttentionShared::query_mask, Operand::of(node.inputs[first_mask++]));
  }
  if (attributes.has_key_mask) {
    pack.point(&Params::in, &AttentionShared::key_mask, Operand::of(node.inputs[first_mask]));
  }
  return pack;
}

void lower_attention(Lowering& lowering, const Node& node) {
  attention_params params;
  params.in = shared_of(lowering, node);
  auto pack = pack_of(params, node, 3);
  pack.point(&attention_params::y, Operand::of(node.outputs[0]))
      .point(&attention_params::logarithms, Operand::of(node.outputs[1]));
  lowering.launch(params, pack);
}

void lower_attention_backward(Lowering& lowering, const Node& node) {
  attention_backward_params params;
  params.in = shared_of(lowering, node);
  auto pack = pack_of(params, node, 6);
  pack.point(&attention_backward_params::dy, Operand::of(node.inputs[3]))
      .point(&attention_backward_params::y, Operand::of(node.inputs[4]))
      .point(&attention_backward_params::logarithms, Operand::of(node.inputs[5]))
      .point(&attention_backward_params::dquery, Operand::of(node.outputs[0]))
      .point(&attention_backward_params::dkey, Operand::of(node.outputs[1]))
      .point(&attention_backward_params::dvalue, Operand::of(node.outputs[2]));
  lowering.launch(params, pack);
}

}  // namespace

STOKER_CUDA_KERNEL(attention, Threads::meet, Loads::single)
Grid grid_of(const attention_params& p) {
  const std::int64_t heads = std::int64_t{p.in.heads} * p.in.batch;
  return blocks_of(heads * divide_up(p.in.queries, kTile) * divide_up(p.in.value_dim, kTile));
}

STOKER_CUDA_KERNEL(attention_backward, Threads::meet, Loads::single)
Grid grid_of(const attention_backward_params& p) {
  return blocks_of(attention_tiles(p.in).total());
}

const CudaOp attention_on_cuda = with_kernels(&lower_attention, Elements::any_type);
const CudaOp attention_backward_on_cuda =
    with_kernels(&lower_attention_backward, Elements::any_type);

}  // namespace stoker::backend::cuda
