#include "backend/cpu/ops/depthwise.h"

#include <algorithm>

#include "backend/cpu/runtime/dispatch.h"
#include "backend/cpu/runtime/dnn.h"
#include "backend/cpu/runtime/parallel.h"
#include "ops/tail.h"

namespace stoker::backend::cpu {
namespace {

// The values of the three ops, by their roles in the forward op.
struct Roles {
  graph::ValueId x, kernel, y;
};

Roles roles_of(const graph::Node& node) {
  switch (static_cast<ops::OpIndex>(node.op->index)) {
    case ops::OpIndex::conv2d_backward_data:
      return {node.outputs[0], node.inputs[1], node.inputs[0]};
    case ops::OpIndex::conv2d_backward_weights:
      return {node.inputs[0], node.outputs[0], node.inputs[1]};
    default:
      return {node.inputs[0], node.inputs[1], node.outputs[0]};
  }
}

// The base of the three kernels: what they compute, and in how many rows of pixels.
class DepthwiseKernel : public Kernel {
 protected:
  explicit DepthwiseKernel(const KernelRequest& request)
      : node_(request.node), roles_(roles_of(request.node)) {
    const auto& a = ops::attributes_of<ops::Conv2DAttributes>(node_);
    const Shape& x = request.graph.info(roles_.x).type.shape;
    const Shape& kernel = request.graph.info(roles_.kernel).type.shape;
    const Shape& y = request.graph.info(roles_.y).type.shape;
    sizes_ = {.h = x[1],
              .w = x[2],
              .p = y[1],
              .q = y[2],
              .channels = x[3],
              .multiplier = y[3] / x[3],
              .kernel_h = kernel[0],
              .kernel_w = kernel[1],
              .stride_h = a.strides[0],
              .stride_w = a.strides[1],
              .dilation_h = a.dilations[0],
              .dilation_w = a.dilations[1],
              .before_h = a.padding_before[0],
              .before_w = a.padding_before[1]};
    images_ = x[0];
  }

  // The rows that make a task, of `pixels` that each meet a column of the kernel.
  std::int64_t grain(std::int64_t pixels) const {
    return grain_for(4 * pixels * sizes_.channels * sizes_.multiplier * sizes_.kernel_h);
  }

  const graph::Node& node_;
  const Roles roles_;
  Depthwise sizes_{};
  std::int64_t images_ = 0;
  const KernelTable& table_ = kernels();
};

class Forward final : public DepthwiseKernel {
 public:
  explicit Forward(const KernelRequest& request) : DepthwiseKernel(request) {
    const ops::GatedSum tail =
        ops::gated_sum_of(ops::attributes_of<ops::Conv2DAttributes>(node_).tail);
    has_bias_ = tail.addend >= 0;
    relu_ = tail.relu;
  }

  void run(const Run& run) override {
    const float* bias = has_bias_ ? run.floats(node_.inputs[2]) : nullptr;
    parallel_for(images_ * sizes_.p, grain(sizes_.q), [&](std::int64_t begin, std::int64_t end) {
      table_.depthwise(sizes_, run.floats(roles_.x), run.floats(roles_.kernel), bias, relu_,
                       run.floats(roles_.y), begin, end);
    });
  }

 private:
  bool has_bias_ = false, relu_ = false;
};

class BackwardData final : public DepthwiseKernel {
 public:
  explicit BackwardData(const KernelRequest& request) : DepthwiseKernel(request) {}

  void run(const Run& run) override {
    parallel_for(images_ * sizes_.h, grain(sizes_.w), [&](std::int64_t begin, std::int64_t end) {
      table_.depthwise_data(sizes_, run.floats(roles_.y), run.floats(roles_.kernel),
                            run.floats(roles_.x), begin, end);
    });
  }
};

// The rows are summed in a fixed number of parts, so that the number of threads changes no bit.
class BackwardWeights final : public DepthwiseKernel {
 public:
  explicit BackwardWeights(const KernelRequest& request) : DepthwiseKernel(request) {
    constexpr std::int64_t kMostParts = 16;
    const std::int64_t rows = images_ * sizes_.p;
    parts_ = std::clamp<std::int64_t>(rows / grain(sizes_.q), 1, kMostParts);
    has_bias_ = node_.outputs.size() > 1;
    outputs_ = sizes_.channels * sizes_.multiplier;
    kernel_floats_ = sizes_.kernel_h * sizes_.kernel_w * outputs_;
    sums_ = layout_.add(bytes(parts_ * kernel_floats_));
    if (has_bias_) bias_sums_ = layout_.add(bytes(parts_ * outputs_));
  }

  void run(const Run& run) override {
    const std::int64_t rows = images_ * sizes_.p;
    auto* sums = reinterpret_cast<float*>(run.workspace + sums_);
    auto* bias_sums = has_bias_ ? reinterpret_cast<float*>(run.workspace + bias_sums_) : nullptr;
    parallel_for(parts_, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t part = begin; part < end; ++part) {
        table_.depthwise_weights(sizes_, run.floats(roles_.x), run.floats(roles_.y),
                                 sums + part * kernel_floats_,
                                 has_bias_ ? bias_sums + part * outputs_ : nullptr,
                                 part * rows / parts_, (part + 1) * rows / parts_);
      }
    });
    add_up(run.floats(node_.outputs[0]), sums, kernel_floats_);
    if (has_bias_) add_up(run.floats(node_.outputs[1]), bias_sums, outputs_);
  }
  std::size_t workspace_bytes() const override { return layout_.total(); }

 private:
  static std::size_t bytes(std::int64_t floats) {
    return static_cast<std::size_t>(floats) * sizeof(float);
  }
  void add_up(float* to, const float* sums, std::int64_t count) const {
    std::copy_n(sums, count, to);
    table_.reduce_rows(Reduction::sum, to, sums + count, parts_ - 1, count);
  }

  WorkspaceLayout layout_;
  std::int64_t parts_ = 1, outputs_ = 0, kernel_floats_ = 0;
  std::size_t sums_ = 0, bias_sums_ = 0;
  bool has_bias_ = false;
};

}  // namespace

bool is_depthwise(const graph::Graph& graph, const graph::Node& node) {
  const Roles roles = roles_of(node);
  const graph::ValueType& kernel = graph.info(roles.kernel).type;
  const std::int64_t groups = ops::attributes_of<ops::Conv2DAttributes>(node).groups;
  const auto is_float = [&](graph::ValueId value) {
    return graph.info(value).type.dtype == DType::float32;
  };
  constexpr std::int64_t kFewestOutputs = 8;
  return groups > 1 && kernel.shape[2] == 1 && kernel.shape[3] >= kFewestOutputs &&
         is_float(roles.x) && is_float(roles.kernel) && is_float(roles.y);
}

std::unique_ptr<Kernel> make_depthwise(const KernelRequest& request) {
  return std::make_unique<Forward>(request);
}
std::unique_ptr<Kernel> make_depthwise_backward_data(const KernelRequest& request) {
  return std::make_unique<BackwardData>(request);
}
std::unique_ptr<Kernel> make_depthwise_backward_weights(const KernelRequest& request) {
  return std::make_unique<BackwardWeights>(request);
}

}  // namespace stoker::backend::cpu
