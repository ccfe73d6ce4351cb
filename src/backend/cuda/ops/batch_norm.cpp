// Ops batch_norm and batch_norm_backward.
#include "backend/cuda/ops/batch_norm.h"

#include <algorithm>

#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/kernels/tiling.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"
#include "ops/tail.h"

namespace stoker::backend::cuda {
namespace {

using graph::Node;
using graph::ValueId;

// The number of blocks that a sum over rows is spread over, which fill a large GPU once or twice.
// More blocks would leave more partial sums, which one block adds up.
constexpr std::int64_t kReducingBlocks = 512;

// Returns a grid that has the same number of blocks for each tile of channels, as the kernel
// expects.
Grid channel_grid(std::int64_t rows, std::int32_t channels, Element element) {
  const ChannelTiling tiling(channels, pack_width(channels, bytes_of(element)));
  const std::int64_t most = std::max<std::int64_t>(1, kMostBlocks / tiling.tiles);
  const std::int64_t parts = std::clamp<std::int64_t>(divide_up(rows, tiling.rows), 1, most);
  return {.blocks = static_cast<unsigned>(parts * tiling.tiles),
          .threads = kBlockThreads,
          .shared_bytes = 0};
}

ChannelTiling tiling_of_sums(std::int32_t channels) {
  return {channels, pack_width_of_sums(channels)};
}

Grid reducing_grid(std::int32_t parts, std::int32_t channels) {
  return {.blocks = static_cast<unsigned>(parts * tiling_of_sums(channels).tiles),
          .threads = kBlockThreads,
          .shared_bytes = 0};
}

Operand partials(Lowering& lowering, std::int64_t rows, std::int32_t channels) {
  const std::size_t bytes = batch_norm_partials_bytes(rows, channels);
  return Operand::workspace(lowering.id(), lowering.take_workspace(lowering.id(), bytes));
}

// The inputs are x, gamma, beta, and a residual if the node adds one.
void lower_batch_norm(Lowering& lowering, const Node& node) {
  const auto& attributes = ops::attributes_of<ops::BatchNormAttributes>(node);
  const ops::GatedSum tail = ops::gated_sum_of(attributes.tail);
  const Rows rows(lowering.shape(node.inputs[0]));
  const std::int32_t channels = int32(rows.columns);
  const batch_norm_statistics_params sums{.rows = rows.count,
                                          .channels = channels,
                                          .parts = batch_norm_parts(rows.count, channels),
                                          .element = element_of(lowering.dtype(node.inputs[0]))};
  Pack<batch_norm_statistics_params> pack_sums(sums);
  pack_sums.point(&batch_norm_statistics_params::x, Operand::of(node.inputs[0]))
      .point(&batch_norm_statistics_params::mean, Operand::of(node.outputs[1]))
      .point(&batch_norm_statistics_params::variance, Operand::of(node.outputs[2]))
      .point(&batch_norm_statistics_params::partials, partials(lowering, rows.count, channels))
      .point(&batch_norm_statistics_params::counters,
             Operand::counters(lowering.take_counters(batch_norm_counters(channels))));
  lowering.launch(sums, pack_sums);

  const batch_norm_apply_params apply{.rows = rows.count,
                                      .channels = channels,
                                      .relu = tail.relu,
                                      .epsilon = attributes.epsilon,
                                      .element = element_of(lowering.dtype(node.inputs[0]))};
  Pack<batch_norm_apply_params> pack(apply);
  pack.point(&batch_norm_apply_params::x, Operand::of(node.inputs[0]))
      .point(&batch_norm_apply_params::mean, Operand::of(node.outputs[1]))
      .point(&batch_norm_apply_params::variance, Operand::of(node.outputs[2]))
      .point(&batch_norm_apply_params::gamma, Operand::of(node.inputs[1]))
      .point(&batch_norm_apply_params::beta, Operand::of(node.inputs[2]))
      .point(&batch_norm_apply_params::y, Operand::of(node.outputs[0]));
  if (tail.addend >= 0) pack.point(&batch_norm_apply_params::residual, Operand::of(node.inputs[3]));
  lowering.launch(apply, pack);
}

// The inputs are x, gamma, mean, variance, and dy, or what the head makes dy of: its two parts, and
// relu's result, which masks them. The outputs are dx, dgamma, dbeta, and, where there is a head,
// the whole of dy.
void lower_batch_norm_backward(Lowering& lowering, const Node& node) {
  const auto& attributes = ops::attributes_of<ops::BatchNormAttributes>(node);
  const float epsilon = attributes.epsilon;
  const auto head = ops::as_gated_sum(attributes.head);
  const auto input = [&](int i) {
    return Operand::of(node.inputs[4 + static_cast<std::size_t>(i)]);
  };
  const Rows rows(lowering.shape(node.inputs[0]));
  const std::int32_t channels = int32(rows.columns);
  using Sums = batch_norm_backward_sums_params;
  const Sums sums{.rows = rows.count,
                  .channels = channels,
                  .parts = batch_norm_parts(rows.count, channels),
                  .epsilon = epsilon,
                  .element = element_of(lowering.dtype(node.inputs[0]))};
  Pack<Sums> pack_sums(sums);
  pack_sums.point(&Sums::x, Operand::of(node.inputs[0]))
      .point(&Sums::mean, Operand::of(node.inputs[2]))
      .point(&Sums::variance, Operand::of(node.inputs[3]))
      .point(&Sums::dy, input(head ? head->base : 0))
      .point(&Sums::dgamma, Operand::of(node.outputs[1]))
      .point(&Sums::dbeta, Operand::of(node.outputs[2]))
      .point(&Sums::partials, partials(lowering, rows.count, channels))
      .point(&Sums::counters,
             Operand::counters(lowering.take_counters(batch_norm_counters(channels))));
  if (head && head->addend >= 0) pack_sums.point(&Sums::dy_2, input(head->addend));
  if (head && head->mask >= 0) pack_sums.point(&Sums::mask, input(head->mask));
  if (head) pack_sums.point(&Sums::sum, Operand::of(node.outputs[3]));
  lowering.launch(sums, pack_sums);

  using Apply = batch_norm_backward_apply_params;
  const Apply apply{.rows = rows.count,
                    .channels = channels,
                    .epsilon = epsilon,
                    .element = element_of(lowering.dtype(node.inputs[0]))};
  Pack<Apply> pack(apply);
  pack.point(&Apply::x, Operand::of(node.inputs[0]))
      .point(&Apply::gamma, Operand::of(node.inputs[1]))
      .point(&Apply::mean, Operand::of(node.inputs[2]))
      .point(&Apply::variance, Operand::of(node.inputs[3]))
      .point(&Apply::dy, head ? Operand::of(node.outputs[3]) : input(0))
      .point(&Apply::dx, Operand::of(node.outputs[0]))
      .point(&Apply::dgamma, Operand::of(node.outputs[1]))
      .point(&Apply::dbeta, Operand::of(node.outputs[2]));
  lowering.launch(apply, pack);
}

bool takes_sum_and_relu(const graph::Graph& graph, const Node& node, const Accepts& /*accepts*/) {
  return ops::has_sum_and_relu(graph, node);
}
bool takes_masked_sum(const graph::Graph& graph, const Node& node, const Accepts& /*accepts*/) {
  return ops::has_masked_sum(graph, node);
}

}  // namespace

STOKER_CUDA_KERNEL(batch_norm_statistics, Threads::meet, Loads::wide)
Grid grid_of(const batch_norm_statistics_params& p) { return reducing_grid(p.parts, p.channels); }

STOKER_CUDA_KERNEL(batch_norm_apply, Threads::alone, Loads::wide)
Grid grid_of(const batch_norm_apply_params& p) {
  return channel_grid(p.rows, p.channels, p.element);
}

STOKER_CUDA_KERNEL(batch_norm_backward_sums, Threads::meet, Loads::wide)
Grid grid_of(const batch_norm_backward_sums_params& p) {
  return reducing_grid(p.parts, p.channels);
}

STOKER_CUDA_KERNEL(batch_norm_backward_apply, Threads::alone, Loads::wide)
Grid grid_of(const batch_norm_backward_apply_params& p) {
  return channel_grid(p.rows, p.channels, p.element);
}

int batch_norm_parts(std::int64_t rows, std::int32_t channels) {
  // A thread needs at least so many for another block to pay.
  constexpr std::int64_t kRowsOfThread = 8;
  const ChannelTiling tiling = tiling_of_sums(channels);
  const std::int64_t most = std::max<std::int64_t>(1, kReducingBlocks / tiling.tiles);
  return static_cast<int>(
      std::clamp<std::int64_t>(divide_up(rows, kRowsOfThread * tiling.rows), 1, most));
}
std::size_t batch_norm_partials_bytes(std::int64_t rows, std::int32_t channels) {
  return static_cast<std::size_t>(batch_norm_parts(rows, channels)) * 2 *
         static_cast<std::size_t>(channels) * sizeof(float);
}
int batch_norm_counters(std::int32_t channels) { return tiling_of_sums(channels).tiles; }

const CudaOp batch_norm_on_cuda =
    with_kernels(&lower_batch_norm, Elements::any_type, &takes_sum_and_relu);
const CudaOp batch_norm_backward_on_cuda =
    with_kernels(&lower_batch_norm_backward, Elements::any_type, &takes_masked_sum);

}  // namespace stoker::backend::cuda
