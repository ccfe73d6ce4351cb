// Op split: a slice for each part.
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/ops/slice.h"
#include "backend/cuda/plan/lowering.h"

namespace stoker::backend::cuda {
namespace {

void lower_split(Lowering& lowering, const graph::Node& node) {
  const std::int64_t axis = ops::attributes_of<ops::SplitAttributes>(node).axis;
  const Shape& x = lowering.shape(node.inputs[0]);
  const auto [outer, inner] = around(x, axis);
  const std::int64_t extent = lowering.shape(node.outputs[0])[static_cast<std::size_t>(axis)];
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    const slice_params params{.outer = outer,
                              .from = x[static_cast<std::size_t>(axis)],
                              .inner = inner,
                              .begin = static_cast<std::int64_t>(i) * extent,
                              .extent = extent,
                              .element_bytes = lowering.bytes_of_element(node.inputs[0])};
    Pack<slice_params> pack(params);
    pack.point(&slice_params::x, Operand::of(node.inputs[0]))
        .point(&slice_params::y, Operand::of(node.outputs[i]));
    lowering.launch(params, pack);
  }
}

}  // namespace

const CudaOp split_on_cuda = with_kernels(&lower_split, Elements::any_type);

}  // namespace stoker::backend::cuda
