// Op concatenate.
#include "backend/cuda/ops/concatenate.h"

#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"

namespace stoker::backend::cuda {
namespace {

using graph::Node;
using graph::ValueId;

// Each launch copies as many inputs as it can take, until all are copied.
void lower_concatenate(Lowering& lowering, const Node& node) {
  const auto axis =
      static_cast<std::size_t>(ops::attributes_of<ops::ConcatenateAttributes>(node).axis);
  const auto row_bytes = [&](ValueId value) {
    auto bytes = static_cast<std::int64_t>(size_of(lowering.dtype(value)));
    for (std::size_t d = axis; d < lowering.shape(value).rank(); ++d)
      bytes *= lowering.shape(value)[d];
    return bytes;
  };
  const auto outer = around(lowering.shape(node.outputs[0]), static_cast<std::int64_t>(axis)).first;
  std::int64_t end = 0;
  for (std::size_t first = 0; first < node.inputs.size(); first += kConcatenated) {
    concatenate_params params{
        .outer = outer, .row = row_bytes(node.outputs[0]), .begin = end, .ends = {}};
    for (std::size_t k = 0; k < kConcatenated; ++k) {
      if (first + k < node.inputs.size()) end += row_bytes(node.inputs[first + k]);
      params.ends[k] = end;
    }
    Pack<concatenate_params> pack(params);
    for (std::size_t k = 0; k < kConcatenated && first + k < node.inputs.size(); ++k) {
      pack.point(&concatenate_params::x, k, Operand::of(node.inputs[first + k]));
    }
    pack.point(&concatenate_params::y, Operand::of(node.outputs[0]));
    lowering.launch(params, pack);
  }
}

}  // namespace

STOKER_CUDA_KERNEL(concatenate, Threads::alone, Loads::wide)
Grid grid_of(const concatenate_params& p) {
  std::int64_t sizes = p.row | p.begin;
  for (const std::int64_t end : p.ends) sizes |= end;
  return threads_for(p.outer * (p.ends[kConcatenated - 1] - p.begin) / access_bytes(sizes));
}

const CudaOp concatenate_on_cuda = with_kernels(&lower_concatenate, Elements::any_type);

}  // namespace stoker::backend::cuda
