// Op reshape.
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/ops/slice.h"
#include "backend/cuda/plan/lowering.h"

namespace stoker::backend::cuda {
namespace {

using graph::Node;
using graph::ValueId;

// A view needs no launch; an output that was placed outside of its input needs a copy.
void lower_reshape(Lowering& lowering, const Node& node) {
  const graph::ValueInfo& out = lowering.graph().info(node.outputs[0]);
  if (out.home.space == graph::Space::arena ||
      out.home == lowering.graph().info(node.inputs[0]).home)
    return;
  const std::int64_t count = out.type.shape.elements();
  copy_slice(lowering, node,
             {.outer = 1,
              .from = count,
              .inner = 1,
              .begin = 0,
              .extent = count,
              .element_bytes = lowering.bytes_of_element(node.outputs[0])});
}

}  // namespace

const CudaOp reshape_on_cuda = with_kernels(&lower_reshape, Elements::any_type);

}  // namespace stoker::backend::cuda
