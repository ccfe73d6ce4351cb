// Pooling and batch normalisation.
#include "backend/cuda/lowering.h"

namespace stoker::backend::cuda {

using graph::Node;
using graph::ValueId;
using ops::OpIndex;

namespace {

Window window(const ops::Pool2DAttributes& attributes, const Shape& x, const Shape& y) {
  return {.n = int32(x[0]),
          .h = int32(x[1]),
          .w = int32(x[2]),
          .c = int32(x[3]),
          .p = int32(y[1]),
          .q = int32(y[2]),
          .window_h = int32(attributes.window[0]),
          .window_w = int32(attributes.window[1]),
          .stride_h = int32(attributes.strides[0]),
          .stride_w = int32(attributes.strides[1]),
          .before_h = int32(attributes.padding_before[0]),
          .before_w = int32(attributes.padding_before[1])};
}

}  // namespace

void Lowering::lower_pool(const Node& node) {
  const auto& attributes = ops::attributes_of<ops::Pool2DAttributes>(node);
  const ValueId in = node.inputs[0];
  const ValueId out = node.outputs[0];
  if (is(node, OpIndex::pool2d)) {
    const pool2d_params params{.at = window(attributes, shape(in), shape(out)),
                               .element = element_of(dtype(in))};
    Pack<pool2d_params> pack(params);
    pack.point(&pool2d_params::x, Operand::of(in)).point(&pool2d_params::y, Operand::of(out));
    if (node.outputs.size() > 1) {
      pack.point(&pool2d_params::argmax, Operand::of(node.outputs[1]));
    }
    return launch(KernelId::pool2d, params, pack);
  }
  const pool2d_backward_params params{.at = window(attributes, shape(out), shape(in)),
                                      .element = element_of(dtype(in))};
  Pack<pool2d_backward_params> pack(params);
  pack.point(&pool2d_backward_params::dy, Operand::of(in))
      .point(&pool2d_backward_params::dx, Operand::of(out));
  if (node.inputs.size() > 1) {
    pack.point(&pool2d_backward_params::argmax, Operand::of(node.inputs[1]));
  }
  launch(KernelId::pool2d_backward, params, pack);
}

Operand Lowering::partials(std::int64_t rows, std::int32_t channels) {
  return Operand::workspace(id_, take_workspace(id_, batch_norm_partials_bytes(rows, channels)));
}

// Inputs x, gamma, beta, and a residual when it adds one.
void Lowering::lower_batch_norm(const Node& node) {
  const auto& attributes = ops::attributes_of<ops::BatchNormAttributes>(node);
  const Rows rows(shape(node.inputs[0]));
  const std::int32_t channels = int32(rows.columns);
  const batch_norm_statistics_params sums{.rows = rows.count,
                                          .channels = channels,
                                          .parts = batch_norm_parts(rows.count, channels),
                                          .element = element_of(dtype(node.inputs[0]))};
  Pack<batch_norm_statistics_params> pack_sums(sums);
  pack_sums.point(&batch_norm_statistics_params::x, Operand::of(node.inputs[0]))
      .point(&batch_norm_statistics_params::mean, Operand::of(node.outputs[1]))
      .point(&batch_norm_statistics_params::variance, Operand::of(node.outputs[2]))
      .point(&batch_norm_statistics_params::partials, partials(rows.count, channels))
      .point(&batch_norm_statistics_params::counters,
             Operand::counters(take_counters(batch_norm_counters(channels))));
  launch(KernelId::batch_norm_statistics, sums, pack_sums);

  const batch_norm_apply_params apply{.rows = rows.count,
                                      .channels = channels,
                                      .relu = attributes.relu,
                                      .epsilon = attributes.epsilon,
                                      .element = element_of(dtype(node.inputs[0]))};
  Pack<batch_norm_apply_params> pack(apply);
  pack.point(&batch_norm_apply_params::x, Operand::of(node.inputs[0]))
      .point(&batch_norm_apply_params::mean, Operand::of(node.outputs[1]))
      .point(&batch_norm_apply_params::variance, Operand::of(node.outputs[2]))
      .point(&batch_norm_apply_params::gamma, Operand::of(node.inputs[1]))
      .point(&batch_norm_apply_params::beta, Operand::of(node.inputs[2]))
      .point(&batch_norm_apply_params::y, Operand::of(node.outputs[0]));
  if (attributes.add) pack.point(&batch_norm_apply_params::residual, Operand::of(node.inputs[3]));
  launch(KernelId::batch_norm_apply, apply, pack);
}

// Inputs x, gamma, mean, variance, dy, the second part of dy when it adds two, relu's result when
// it masks; outputs dx, dgamma, dbeta, and then dy as a whole.
void Lowering::lower_batch_norm_backward(const Node& node) {
  const auto& attributes = ops::attributes_of<ops::BatchNormAttributes>(node);
  const float epsilon = attributes.epsilon;
  const Rows rows(shape(node.inputs[0]));
  const std::int32_t channels = int32(rows.columns);
  using Sums = batch_norm_backward_sums_params;
  const Sums sums{.rows = rows.count,
                  .channels = channels,
                  .parts = batch_norm_parts(rows.count, channels),
                  .epsilon = epsilon,
                  .element = element_of(dtype(node.inputs[0]))};
  Pack<Sums> pack_sums(sums);
  pack_sums.point(&Sums::x, Operand::of(node.inputs[0]))
      .point(&Sums::mean, Operand::of(node.inputs[2]))
      .point(&Sums::variance, Operand::of(node.inputs[3]))
      .point(&Sums::dy, Operand::of(node.inputs[4]))
      .point(&Sums::dgamma, Operand::of(node.outputs[1]))
      .point(&Sums::dbeta, Operand::of(node.outputs[2]))
      .point(&Sums::partials, partials(rows.count, channels))
      .point(&Sums::counters, Operand::counters(take_counters(batch_norm_counters(channels))));
  if (attributes.add) pack_sums.point(&Sums::dy_2, Operand::of(node.inputs[5]));
  if (attributes.relu) pack_sums.point(&Sums::mask, Operand::of(node.inputs.back()));
  const bool gathers = attributes.add || attributes.relu;
  if (gathers) pack_sums.point(&Sums::sum, Operand::of(node.outputs[3]));
  launch(KernelId::batch_norm_backward_sums, sums, pack_sums);

  using Apply = batch_norm_backward_apply_params;
  const Apply apply{.rows = rows.count,
                    .channels = channels,
                    .epsilon = epsilon,
                    .element = element_of(dtype(node.inputs[0]))};
  Pack<Apply> pack(apply);
  pack.point(&Apply::x, Operand::of(node.inputs[0]))
      .point(&Apply::gamma, Operand::of(node.inputs[1]))
      .point(&Apply::mean, Operand::of(node.inputs[2]))
      .point(&Apply::variance, Operand::of(node.inputs[3]))
      .point(&Apply::dy, Operand::of(gathers ? node.outputs[3] : node.inputs[4]))
      .point(&Apply::dx, Operand::of(node.outputs[0]))
      .point(&Apply::dgamma, Operand::of(node.outputs[1]))
      .point(&Apply::dbeta, Operand::of(node.outputs[2]));
  launch(KernelId::batch_norm_backward_apply, apply, pack);
}

}  // namespace stoker::backend::cuda
