// The table of ops.
#include "backend/cuda/ops/cuda_op.h"

namespace stoker::backend::cuda {

const CudaOp& cuda_op(const graph::Node& node) {
  static constexpr const CudaOp* kOps[] = {
#define STOKER_OP(name) &name##_on_cuda,
#include "ops/ops.def"
#undef STOKER_OP
  };
  return *kOps[node.op->index];
}

}  // namespace stoker::backend::cuda
