#include "backend/cuda/lower.h"

#include <algorithm>
#include <utility>

#include "backend/cuda/codegen.h"
#include "backend/cuda/cudnn_plan.h"
#include "backend/cuda/dnn_specs.h"
#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/kernels/params.h"
#include "core/format.h"
#include "ops/ops.h"
#include "plan/program.h"

namespace stoker::backend::cuda {

using graph::Graph;
using graph::Node;
using graph::NodeId;
using graph::Space;
using graph::ValueId;
using ops::OpIndex;

namespace {

std::int64_t aligned(std::int64_t bytes) {
  return (bytes + plan::kAlignment - 1) / plan::kAlignment * plan::kAlignment;
}

std::int32_t int32(std::int64_t value) { return static_cast<std::int32_t>(value); }

// An array seen as rows of its last axis.
struct Rows {
  explicit Rows(const Shape& shape)
      : columns(shape.rank() == 0 ? 1 : shape.back()),
        count(columns == 0 ? 0 : shape.elements() / columns) {}
  std::int64_t columns;
  std::int64_t count;
};

class Lowering final : public Resources {
 public:
  Lowering(const Graph& graph, std::span<const NodeId> last_of_group, DnnCompiler& dnn,
           const LowerOptions& options)
      : graph_(graph), last_of_group_(last_of_group), dnn_(dnn), options_(options) {
    plan_.workspace_bytes.assign(graph.nodes().size(), 0);
  }

  LaunchPlan lower() {
    ingest();
    const auto count = static_cast<NodeId>(graph_.nodes().size());
    for (id_ = 0; id_ < count; ++id_) {
      if (is_generated(graph_.node(id_))) {
        lower_group();
      } else {
        lower_node(graph_.node(id_));
      }
    }
    return std::move(plan_);
  }

  // Resources
  std::int64_t take_counters(int count) override {
    const auto offset = static_cast<std::int64_t>(plan_.counter_bytes);
    plan_.counter_bytes += static_cast<std::size_t>(count) * sizeof(std::uint32_t);
    return offset;
  }
  std::int64_t take_workspace(NodeId node, std::size_t bytes) override {
    std::size_t& own = plan_.workspace_bytes[static_cast<std::size_t>(node)];
    const std::int64_t offset = aligned(static_cast<std::int64_t>(own));
    own = static_cast<std::size_t>(offset) + bytes;
    return offset;
  }

 private:
  static bool is_generated(const Node& node) {
    const auto index = static_cast<OpIndex>(node.op->index);
    return index == OpIndex::pointwise || index == OpIndex::reduce;
  }

  const Shape& shape(ValueId value) const { return graph_.info(value).type.shape; }
  DType dtype(ValueId value) const { return graph_.info(value).type.dtype; }

  // The operand of an optional value.
  static Operand optional(ValueId value) {
    return value == graph::kNone ? Operand{} : Operand::of(value);
  }

  void append(std::variant<KernelLaunch, GeneratedLaunch, DnnLaunch, ZeroLaunch> what,
              std::string name, NodeId first, NodeId last) {
    std::string label = std::move(name);
    for (NodeId i = first; i <= last; ++i) label += "  " + graph_.node(i).scope;
    plan_.launches.push_back({std::move(what), first, last, std::move(label)});
  }
  template <class Params>
  void launch(KernelId kernel, const Params& params, const Pack<Params>& pack) {
    append(KernelLaunch{kernel, grid_of(params), pack.arguments()}, name_of(kernel), id_, id_);
  }

  // ---- The batch ----
  void ingest() {
    std::int64_t begin = 0;
    std::int64_t end = 0;
    for (std::size_t v = 0; v < graph_.value_count(); ++v) {
      const graph::ValueInfo& info = graph_.info(static_cast<ValueId>(v));
      if (info.home.space != Space::input || info.node >= 0) continue;
      const std::int64_t stop =
          info.home.offset +
          info.type.shape.elements() * static_cast<std::int64_t>(size_of(info.type.dtype));
      begin = end == 0 ? info.home.offset : std::min(begin, info.home.offset);
      end = std::max(end, stop);
    }
    constexpr std::int64_t kAccess = 16;
    begin = begin / kAccess * kAccess;
    end = (end + kAccess - 1) / kAccess * kAccess;
    plan_.input_begin = begin;
    plan_.input_end = end;
    const ingest_params params{.begin = begin, .end = end};
    Pack<ingest_params> pack(params);
    pack.point(&ingest_params::ring, Operand::ring())
        .point(&ingest_params::scalars, Operand::scalars())
        .point(&ingest_params::to, Operand::input())
        .point(&ingest_params::counter, Operand::counters(take_counters(1)));
    plan_.launches.push_back(
        {KernelLaunch{KernelId::ingest, grid_of(params), pack.arguments()}, -1, -1, "ingest"});
  }

  // ---- pointwise and reduce ----
  void lower_group() {
    const NodeId first = id_;
    id_ = last_of_group_[static_cast<std::size_t>(first)];
    std::vector<NodeId> nodes;
    std::string name;
    for (NodeId i = first; i <= id_; ++i) {
      nodes.push_back(i);
      name += (i == first ? "" : "+") + std::string(graph_.node(i).op->name);
    }
    append(generate(graph_, nodes, *this), std::move(name), first, id_);
  }

  void lower_node(const Node& node) {
    switch (static_cast<OpIndex>(node.op->index)) {
      case OpIndex::matmul:
      case OpIndex::conv2d:
      case OpIndex::conv2d_backward_data:
      case OpIndex::conv2d_backward_weights:
        return lower_product(node);
      case OpIndex::pool2d:
      case OpIndex::pool2d_backward:
        return lower_pool(node);
      case OpIndex::batch_norm:
        return lower_batch_norm(node);
      case OpIndex::batch_norm_backward:
        return lower_batch_norm_backward(node);
      case OpIndex::reshape:
        return lower_reshape(node);
      case OpIndex::slice:
        return lower_slice(node);
      case OpIndex::slice_backward:
        return lower_slice_backward(node);
      case OpIndex::concatenate:
        return lower_concatenate(node);
      case OpIndex::softmax:
        return lower_softmax(node);
      case OpIndex::sparsemax:
        return lower_sparsemax(node);
      case OpIndex::softmax_cross_entropy:
        return lower_cross_entropy(node);
      case OpIndex::one_hot:
        return lower_one_hot(node);
      case OpIndex::argmax:
        return lower_argmax(node);
      case OpIndex::advance:
        return lower_advance(node);
      case OpIndex::pointwise:
      case OpIndex::reduce:
      case OpIndex::count:
        break;
    }
  }

  // ---- matmul and convolutions ----
  void lower_product(const Node& node) {
    // cuDNN does not sum a bias gradient along; graphs that are optimized do not ask for it.
    if (node.outputs.size() > 1) return lower_refused(node);
    const auto product = accepted_product(spec_of(graph_, node, options_.tf32), dnn_);
    if (!product) return lower_refused(node);
    const DnnSpec& spec = product->spec;
    const auto workspace = dnn_.workspace_of(spec);
    // Of a kernel's gradient cuDNN takes dy first, we the image.
    const bool weights = is(node, OpIndex::conv2d_backward_weights);
    const bool swapped = weights != product->swapped;
    DnnLaunch launch;
    launch.spec = spec;
    launch.a = Operand::of(node.inputs[swapped ? 1 : 0]);
    launch.b = Operand::of(node.inputs[swapped ? 0 : 1]);
    if (spec.bias) launch.bias = Operand::of(node.inputs[2]);
    if (spec.aux) launch.aux = Operand::of(node.inputs.back());
    launch.y = Operand::of(node.outputs[0]);
    if (*workspace > 0) launch.workspace = Operand::workspace(id_, take_workspace(id_, *workspace));
    append(std::move(launch), std::string("cudnn ") + node.op->name, id_, id_);
  }

  static bool is(const Node& node, OpIndex index) {
    return node.op->index == static_cast<int>(index);
  }

  void lower_refused(const Node& node) {
    if (is(node, OpIndex::matmul)) return lower_own_matmul(node);
    lower_own_convolution(node);
  }

  void lower_own_matmul(const Node& node) {
    const auto& attributes = ops::attributes_of<ops::MatMulAttributes>(node);
    const Shape& a = shape(node.inputs[0]);
    const Shape& y = shape(node.outputs[0]);
    const matmul_params params{.m = int32(y[0]),
                               .n = int32(y[1]),
                               .k = int32(a[attributes.transpose_a ? 0 : 1]),
                               .transpose_a = attributes.transpose_a,
                               .transpose_b = attributes.transpose_b,
                               .relu = attributes.epilogue == ops::Epilogue::relu};
    Pack<matmul_params> pack(params);
    pack.point(&matmul_params::a, Operand::of(node.inputs[0]))
        .point(&matmul_params::b, Operand::of(node.inputs[1]))
        .point(&matmul_params::y, Operand::of(node.outputs[0]));
    if (attributes.has_bias) pack.point(&matmul_params::bias, Operand::of(node.inputs[2]));
    launch(KernelId::matmul, params, pack);
  }

  static Convolution convolution(const ops::Conv2DAttributes& attributes, const Shape& image,
                                 const Shape& kernel, const Shape& result) {
    return {.n = int32(image[0]),
            .h = int32(image[1]),
            .w = int32(image[2]),
            .c = int32(image[3]),
            .kh = int32(kernel[0]),
            .kw = int32(kernel[1]),
            .o = int32(kernel[3]),
            .p = int32(result[1]),
            .q = int32(result[2]),
            .stride_h = int32(attributes.strides[0]),
            .stride_w = int32(attributes.strides[1]),
            .dilation_h = int32(attributes.dilations[0]),
            .dilation_w = int32(attributes.dilations[1]),
            .before_h = int32(attributes.padding_before[0]),
            .before_w = int32(attributes.padding_before[1]),
            .groups = int32(attributes.groups)};
  }

  void lower_own_convolution(const Node& node) {
    const auto& attributes = ops::attributes_of<ops::Conv2DAttributes>(node);
    if (is(node, OpIndex::conv2d)) {
      const conv2d_params params{.at = convolution(attributes, shape(node.inputs[0]),
                                                   shape(node.inputs[1]), shape(node.outputs[0])),
                                 .relu = attributes.epilogue == ops::Epilogue::relu};
      Pack<conv2d_params> pack(params);
      pack.point(&conv2d_params::x, Operand::of(node.inputs[0]))
          .point(&conv2d_params::kernel, Operand::of(node.inputs[1]))
          .point(&conv2d_params::y, Operand::of(node.outputs[0]));
      if (attributes.has_bias) pack.point(&conv2d_params::bias, Operand::of(node.inputs[2]));
      return launch(KernelId::conv2d, params, pack);
    }
    if (is(node, OpIndex::conv2d_backward_data)) {
      const conv2d_backward_data_params params{.at = convolution(attributes, shape(node.outputs[0]),
                                                                 shape(node.inputs[1]),
                                                                 shape(node.inputs[0]))};
      Pack<conv2d_backward_data_params> pack(params);
      pack.point(&conv2d_backward_data_params::dy, Operand::of(node.inputs[0]))
          .point(&conv2d_backward_data_params::kernel, Operand::of(node.inputs[1]))
          .point(&conv2d_backward_data_params::dx, Operand::of(node.outputs[0]));
      return launch(KernelId::conv2d_backward_data, params, pack);
    }
    const conv2d_backward_weights_params params{.at = convolution(attributes, shape(node.inputs[0]),
                                                                  shape(node.outputs[0]),
                                                                  shape(node.inputs[1]))};
    Pack<conv2d_backward_weights_params> pack(params);
    pack.point(&conv2d_backward_weights_params::x, Operand::of(node.inputs[0]))
        .point(&conv2d_backward_weights_params::dy, Operand::of(node.inputs[1]))
        .point(&conv2d_backward_weights_params::dkernel, Operand::of(node.outputs[0]));
    if (attributes.has_bias) {
      pack.point(&conv2d_backward_weights_params::dbias, Operand::of(node.outputs[1]));
    }
    launch(KernelId::conv2d_backward_weights, params, pack);
  }

  // ---- pooling ----
  static Window window(const ops::Pool2DAttributes& attributes, const Shape& x, const Shape& y) {
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

  void lower_pool(const Node& node) {
    const auto& attributes = ops::attributes_of<ops::Pool2DAttributes>(node);
    const ValueId in = node.inputs[0];
    const ValueId out = node.outputs[0];
    if (is(node, OpIndex::pool2d)) {
      const pool2d_params params{.at = window(attributes, shape(in), shape(out))};
      Pack<pool2d_params> pack(params);
      pack.point(&pool2d_params::x, Operand::of(in)).point(&pool2d_params::y, Operand::of(out));
      if (node.outputs.size() > 1) {
        pack.point(&pool2d_params::argmax, Operand::of(node.outputs[1]));
      }
      return launch(KernelId::pool2d, params, pack);
    }
    const pool2d_backward_params params{.at = window(attributes, shape(out), shape(in))};
    Pack<pool2d_backward_params> pack(params);
    pack.point(&pool2d_backward_params::dy, Operand::of(in))
        .point(&pool2d_backward_params::dx, Operand::of(out));
    if (node.inputs.size() > 1) {
      pack.point(&pool2d_backward_params::argmax, Operand::of(node.inputs[1]));
    }
    launch(KernelId::pool2d_backward, params, pack);
  }

  // ---- batch normalisation ----
  Operand partials(std::int64_t rows, std::int32_t channels) {
    return Operand::workspace(id_, take_workspace(id_, batch_norm_partials_bytes(rows, channels)));
  }

  // Inputs x, gamma, beta, and a residual when it adds one.
  void lower_batch_norm(const Node& node) {
    const auto& attributes = ops::attributes_of<ops::BatchNormAttributes>(node);
    const Rows rows(shape(node.inputs[0]));
    const std::int32_t channels = int32(rows.columns);
    const batch_norm_statistics_params sums{
        .rows = rows.count, .channels = channels, .parts = batch_norm_parts(rows.count, channels)};
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
                                        .epsilon = attributes.epsilon};
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
  void lower_batch_norm_backward(const Node& node) {
    const auto& attributes = ops::attributes_of<ops::BatchNormAttributes>(node);
    const float epsilon = attributes.epsilon;
    const Rows rows(shape(node.inputs[0]));
    const std::int32_t channels = int32(rows.columns);
    using Sums = batch_norm_backward_sums_params;
    const Sums sums{.rows = rows.count,
                    .channels = channels,
                    .parts = batch_norm_parts(rows.count, channels),
                    .epsilon = epsilon};
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
    const Apply apply{.rows = rows.count, .channels = channels, .epsilon = epsilon};
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

  // ---- views and slices ----
  // A view needs no work; one that was placed outside of its input is a copy.
  void lower_reshape(const Node& node) {
    const graph::ValueInfo& out = graph_.info(node.outputs[0]);
    if (out.home.space == Space::arena || out.home == graph_.info(node.inputs[0]).home) return;
    const std::int64_t count = out.type.shape.elements();
    copy_slice(node, {.outer = 1,
                      .from = count,
                      .inner = 1,
                      .begin = 0,
                      .extent = count,
                      .element_bytes = int32(static_cast<std::int64_t>(size_of(out.type.dtype)))});
  }

  void copy_slice(const Node& node, const slice_params& params) {
    Pack<slice_params> pack(params);
    pack.point(&slice_params::x, Operand::of(node.inputs[0]))
        .point(&slice_params::y, Operand::of(node.outputs[0]));
    launch(KernelId::slice, params, pack);
  }

  // Extents before and after an axis.
  static std::pair<std::int64_t, std::int64_t> around(const Shape& shape, std::int64_t axis) {
    std::int64_t outer = 1;
    std::int64_t inner = 1;
    for (std::size_t d = 0; d < shape.rank(); ++d) {
      if (static_cast<std::int64_t>(d) < axis) outer *= shape[d];
      if (static_cast<std::int64_t>(d) > axis) inner *= shape[d];
    }
    return {outer, inner};
  }

  void lower_slice(const Node& node) {
    const auto& attributes = ops::attributes_of<ops::SliceAttributes>(node);
    const Shape& x = shape(node.inputs[0]);
    const auto [outer, inner] = around(x, attributes.axis);
    copy_slice(node,
               {.outer = outer,
                .from = x[static_cast<std::size_t>(attributes.axis)],
                .inner = inner,
                .begin = attributes.begin,
                .extent = attributes.extent,
                .element_bytes = int32(static_cast<std::int64_t>(size_of(dtype(node.inputs[0]))))});
  }

  void lower_slice_backward(const Node& node) {
    const auto& attributes = ops::attributes_of<ops::SliceAttributes>(node);
    const Shape& dx = shape(node.outputs[0]);
    const auto [outer, inner] = around(dx, attributes.axis);
    const slice_backward_params params{.outer = outer,
                                       .from = dx[static_cast<std::size_t>(attributes.axis)],
                                       .inner = inner,
                                       .begin = attributes.begin,
                                       .extent = attributes.extent};
    Pack<slice_backward_params> pack(params);
    pack.point(&slice_backward_params::dy, Operand::of(node.inputs[0]))
        .point(&slice_backward_params::dx, Operand::of(node.outputs[0]));
    launch(KernelId::slice_backward, params, pack);
  }

  // As many inputs as a launch takes, until all are there.
  void lower_concatenate(const Node& node) {
    const auto axis =
        static_cast<std::size_t>(ops::attributes_of<ops::ConcatenateAttributes>(node).axis);
    const auto row_bytes = [&](ValueId value) {
      auto bytes = static_cast<std::int64_t>(size_of(dtype(value)));
      for (std::size_t d = axis; d < shape(value).rank(); ++d) bytes *= shape(value)[d];
      return bytes;
    };
    const auto outer = around(shape(node.outputs[0]), static_cast<std::int64_t>(axis)).first;
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
      launch(KernelId::concatenate, params, pack);
    }
  }

  // ---- rows ----
  void lower_softmax(const Node& node) {
    const Rows rows(shape(node.inputs[0]));
    const softmax_params params{.rows = rows.count,
                                .columns = int32(rows.columns),
                                .log = ops::attributes_of<ops::SoftmaxAttributes>(node).log};
    Pack<softmax_params> pack(params);
    pack.point(&softmax_params::x, Operand::of(node.inputs[0]))
        .point(&softmax_params::y, Operand::of(node.outputs[0]));
    launch(KernelId::softmax, params, pack);
  }

  void lower_sparsemax(const Node& node) {
    const Rows rows(shape(node.inputs[0]));
    const sparsemax_params params{.rows = rows.count, .columns = int32(rows.columns)};
    Pack<sparsemax_params> pack(params);
    pack.point(&sparsemax_params::x, Operand::of(node.inputs[0]))
        .point(&sparsemax_params::y, Operand::of(node.outputs[0]));
    launch(KernelId::sparsemax, params, pack);
  }

  Labels labels_of(ValueId labels) const {
    if (shape(labels).rank() > 1) return Labels::float_rows;
    return dtype(labels) == DType::int32 ? Labels::int32_classes : Labels::float_classes;
  }

  void lower_cross_entropy(const Node& node) {
    using Params = softmax_cross_entropy_params;
    const Rows rows(shape(node.inputs[0]));
    const Params params{.rows = rows.count,
                        .columns = int32(rows.columns),
                        .kind = labels_of(node.inputs[1]),
                        .node = id_};
    Pack<Params> pack(params);
    pack.point(&Params::logits, Operand::of(node.inputs[0]))
        .point(&Params::labels, Operand::of(node.inputs[1]))
        .point(&Params::loss, Operand::of(node.outputs[0]))
        .point(&Params::gradient, Operand::of(node.outputs[1]))
        .point(&Params::scalars, Operand::scalars());
    if (params.kind != Labels::float_rows) {
      pack.point(&Params::counters, Operand::counters(take_counters(kLabelCounters)));
    }
    launch(KernelId::softmax_cross_entropy, params, pack);
  }

  void lower_one_hot(const Node& node) {
    const std::int64_t rows = shape(node.inputs[0]).elements();
    const one_hot_params params{
        .rows = rows, .classes = int32(shape(node.outputs[0]).back()), .node = id_};
    Pack<one_hot_params> pack(params);
    pack.point(&one_hot_params::labels, Operand::of(node.inputs[0]))
        .point(&one_hot_params::y, Operand::of(node.outputs[0]))
        .point(&one_hot_params::scalars, Operand::scalars())
        .point(&one_hot_params::counters, Operand::counters(take_counters(kLabelCounters)));
    launch(KernelId::one_hot, params, pack);
  }

  void lower_argmax(const Node& node) {
    const Rows rows(shape(node.inputs[0]));
    const argmax_params params{.rows = rows.count, .columns = int32(rows.columns)};
    Pack<argmax_params> pack(params);
    pack.point(&argmax_params::x, Operand::of(node.inputs[0]))
        .point(&argmax_params::y, Operand::of(node.outputs[0]));
    launch(KernelId::argmax, params, pack);
  }

  void lower_advance(const Node& node) {
    const advance_params params{
        .node = id_,
        .growth_steps = ops::attributes_of<ops::AdvanceAttributes>(node).scale_growth_steps};
    Pack<advance_params> pack(params);
    pack.point(&advance_params::loss, Operand::of(node.inputs[0]))
        .point(&advance_params::scalars, Operand::scalars());
    if (node.inputs.size() > 1) {
      pack.point(&advance_params::largest_gradient, Operand::of(node.inputs[1]));
    }
    launch(KernelId::advance, params, pack);
  }

  const Graph& graph_;
  std::span<const NodeId> last_of_group_;
  DnnCompiler& dnn_;
  const LowerOptions options_;
  LaunchPlan plan_;
  NodeId id_ = 0;  // of the node that is being lowered
};

}  // namespace

DnnSpec spec_of(const Graph& graph, const Node& node, bool tf32) {
  const auto shape = [&](ValueId value) -> const Shape& { return graph.info(value).type.shape; };
  const DType result = graph.info(node.outputs[0]).type.dtype;
  const DnnTypes types{.operands = graph.info(node.inputs[0]).type.dtype,
                       .bias = result,
                       .result = result,
                       .tf32 = tf32};
  if (node.op->index == static_cast<int>(OpIndex::matmul)) {
    return matmul_spec(shape(node.inputs[0]), shape(node.inputs[1]),
                       ops::attributes_of<ops::MatMulAttributes>(node), types);
  }
  const auto& attributes = ops::attributes_of<ops::Conv2DAttributes>(node);
  switch (static_cast<OpIndex>(node.op->index)) {
    case OpIndex::conv2d_backward_data:
      return conv2d_backward_data_spec(shape(node.outputs[0]), shape(node.inputs[1]), attributes,
                                       types);
    case OpIndex::conv2d_backward_weights:
      return conv2d_backward_weights_spec(shape(node.inputs[0]), shape(node.outputs[0]), attributes,
                                          types);
    default:
      return conv2d_spec(shape(node.inputs[0]), shape(node.inputs[1]), attributes, types);
  }
}

std::optional<DnnProduct> accepted_product(const DnnSpec& spec, DnnCompiler& dnn) {
  if (dnn.workspace_of(spec)) return DnnProduct{spec, false};
  if (spec.kind != DnnKind::matmul) return std::nullopt;
  auto convolution = as_convolution(spec);
  if (convolution && dnn.workspace_of(convolution->spec)) return convolution;
  return std::nullopt;
}

LaunchPlan lower(const Graph& graph, std::span<const NodeId> last_of_group, DnnCompiler& dnn,
                 const LowerOptions& options) {
  return Lowering(graph, last_of_group, dnn, options).lower();
}

}  // namespace stoker::backend::cuda
