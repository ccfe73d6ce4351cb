// Op pad.
#include "backend/cuda/ops/pad.h"

#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"

namespace stoker::backend::cuda {
namespace {

void lower_pad(Lowering& lowering, const graph::Node& node) {
  const auto& attributes = ops::attributes_of<ops::PadAttributes>(node);
  const ops::MergedPad merged = ops::merged_pad(lowering.shape(node.inputs[0]), attributes);
  const std::int64_t element = lowering.bytes_of_element(node.inputs[0]);
  const std::int64_t unit =
      access_bytes((merged.extents.back() | merged.before.back() | merged.after.back()) * element);
  pad_params params{.count = lowering.shape(node.outputs[0]).elements() * element / unit,
                    .extents = {},
                    .before = {},
                    .padded = {},
                    .bits = ops::stored_bits(attributes.value, lowering.dtype(node.inputs[0])),
                    .unit_bytes = int32(unit)};
  for (std::size_t k = 0; k < static_cast<std::size_t>(kPadAxes); ++k) {
    const bool is_axis = k < merged.extents.rank();
    const bool is_last = k + 1 == merged.extents.rank();
    const auto units = [&](std::int64_t n) { return is_last ? n * element / unit : n; };
    params.extents[k] = is_axis ? units(merged.extents[k]) : 1;
    params.before[k] = is_axis ? units(merged.before[k]) : 0;
    params.padded[k] = is_axis ? units(merged.extents[k] + merged.before[k] + merged.after[k]) : 1;
  }
  Pack<pad_params> pack(params);
  pack.point(&pad_params::x, Operand::of(node.inputs[0]))
      .point(&pad_params::y, Operand::of(node.outputs[0]));
  lowering.launch(params, pack);
}

}  // namespace

STOKER_CUDA_KERNEL(pad, Threads::alone, Loads::wide)
Grid grid_of(const pad_params& p) { return threads_for(p.count); }

const CudaOp pad_on_cuda = with_kernels(&lower_pad, Elements::any_type);

}  // namespace stoker::backend::cuda
