// Op constant: a launch for as many values as its parameters hold.
#include "backend/cuda/ops/constant.h"

#include <algorithm>

#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"

namespace stoker::backend::cuda {
namespace {

void lower_constant(Lowering& lowering, const graph::Node& node) {
  const auto& values = ops::attributes_of<ops::ConstantAttributes>(node).values;
  const auto total = static_cast<std::int64_t>(values.size());
  for (std::int64_t begin = 0; begin < total; begin += kConstantValues) {
    constant_params params;
    params.begin = begin;
    params.count = int32(std::min<std::int64_t>(total - begin, kConstantValues));
    std::copy_n(values.begin() + begin, params.count, params.values);
    Pack<constant_params> pack(params);
    pack.point(&constant_params::y, Operand::of(node.outputs[0]));
    lowering.launch(params, pack);
  }
}

}  // namespace

STOKER_CUDA_KERNEL(constant, Threads::alone, Loads::single)
Grid grid_of(const constant_params& p) { return threads_for(p.count); }

const CudaOp constant_on_cuda = with_kernels(&lower_constant, Elements::float32_only);

}  // namespace stoker::backend::cuda
