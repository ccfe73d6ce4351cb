// conv2d and its backward ops on oneDNN. Activations stay NHWC. Kernels are HWIO in the flat
// parameter buffer; each step reorders them into oneDNN's blocked layout, since the update changes
// them in each step.
#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string>

#include "backend/cpu/ops/depthwise.h"
#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/runtime/dnn.h"
#include "ops/tail.h"

namespace stoker::backend::cpu {
namespace {

using dnnl::memory;
using ops::Conv2DAttributes;

memory::dims kernel_dims(const Shape& hwio, std::int64_t groups) {
  if (groups == 1) return {hwio[3], hwio[2], hwio[0], hwio[1]};
  return {groups, hwio[3] / groups, hwio[2], hwio[0], hwio[1]};
}

memory::desc kernel_plain(const graph::ValueType& kernel, std::int64_t groups) {
  const Shape& hwio = kernel.shape;
  const std::int64_t o = hwio[3];
  const std::int64_t io = hwio[2] * o;
  const memory::dims strides{1, o, hwio[1] * io, io};  // O, I, H, W
  if (groups == 1) return strided(kernel_dims(hwio, 1), strides, kernel.dtype);
  memory::dims grouped{o / groups};
  grouped.insert(grouped.end(), strides.begin(), strides.end());
  return strided(kernel_dims(hwio, groups), grouped, kernel.dtype);
}

// The common part of the three ops: their values, by the roles that these have in the forward op.
struct Problem {
  graph::ValueType x, kernel, y;
  std::optional<DType> bias;
  bool relu = false;
  std::int64_t groups = 1;
  memory::dims strides, dilations, before, after;

  bool is_bfloat16() const { return x.dtype == DType::bfloat16; }
  memory::desc image_x() const { return image(x.shape, x.dtype); }
  memory::desc image_y() const { return image(y.shape, y.dtype); }
  memory::desc weights() const {
    return any_layout(kernel_dims(kernel.shape, groups), kernel.dtype);
  }
  memory::desc bias_vector() const { return plain({kernel.shape[3]}, *bias); }
};

Problem read(const graph::Graph& graph, const graph::Node& node) {
  const auto& a = ops::attributes_of<Conv2DAttributes>(node);
  const ops::GatedSum tail = ops::gated_sum_of(a.tail);
  const auto type = [&](graph::ValueId value) { return graph.info(value).type; };
  Problem p;
  switch (static_cast<ops::OpIndex>(node.op->index)) {
    case ops::OpIndex::conv2d_backward_data:
      p.y = type(node.inputs[0]);
      p.kernel = type(node.inputs[1]);
      p.x = type(node.outputs[0]);
      break;
    case ops::OpIndex::conv2d_backward_weights:
      p.x = type(node.inputs[0]);
      p.y = type(node.inputs[1]);
      p.kernel = type(node.outputs[0]);
      if (a.bias_gradient) p.bias = type(node.outputs[1]).dtype;
      break;
    default:
      p.x = type(node.inputs[0]);
      p.kernel = type(node.inputs[1]);
      p.y = type(node.outputs[0]);
      if (tail.addend >= 0) p.bias = type(node.inputs[2]).dtype;
      p.relu = tail.relu;
  }
  p.groups = a.groups;
  p.strides = {a.strides[0], a.strides[1]};
  p.dilations = {a.dilations[0] - 1, a.dilations[1] - 1};  // oneDNN counts the gaps
  p.before = {a.padding_before[0], a.padding_before[1]};
  p.after = {a.padding_after[0], a.padding_after[1]};
  return p;
}

// The descriptions below are empty if oneDNN has no implementation for bfloat16; for float32 it
// always has one.

dnnl::convolution_forward::primitive_desc describe_forward(const Problem& p) {
  const dnnl::primitive_attr attributes = p.relu ? with_relu() : user_scratchpad();
  const auto describe = [&](const auto&... bias) -> dnnl::convolution_forward::primitive_desc {
    return {dnn_engine(),
            dnnl::prop_kind::forward_training,
            dnnl::algorithm::convolution_direct,
            p.image_x(),
            p.weights(),
            bias...,
            p.image_y(),
            p.strides,
            p.dilations,
            p.before,
            p.after,
            attributes,
            p.is_bfloat16()};
  };
  return p.bias ? describe(p.bias_vector()) : describe();
}

// The backward descriptions take a forward one as a hint.
using Hint = dnnl::convolution_forward::primitive_desc;

dnnl::convolution_backward_data::primitive_desc describe_backward_data(const Problem& p,
                                                                       const Hint& hint) {
  return {dnn_engine(),      dnnl::algorithm::convolution_direct,
          p.image_x(),       p.weights(),
          p.image_y(),       p.strides,
          p.dilations,       p.before,
          p.after,           hint,
          user_scratchpad(), p.is_bfloat16()};
}

dnnl::convolution_backward_weights::primitive_desc describe_backward_weights(const Problem& p,
                                                                             const Hint& hint) {
  const auto describe =
      [&](const auto&... bias) -> dnnl::convolution_backward_weights::primitive_desc {
    return {dnn_engine(),   dnnl::algorithm::convolution_direct,
            p.image_x(),    p.weights(),
            bias...,        p.image_y(),
            p.strides,      p.dilations,
            p.before,       p.after,
            hint,           user_scratchpad(),
            p.is_bfloat16()};
  };
  return p.bias ? describe(p.bias_vector()) : describe();
}

// For bfloat16, returns the first of oneDNN's implementations whose name begins with one of
// `names`; empty if there is none. The callers name those that gave right results in tests on
// emulated processors. There jit_bf16 got half of the channels wrong in forward convolutions of few
// channels, and so did brgconv_bwd_w on AMX.
template <class Desc>
Desc chosen(const Problem& p, Desc desc, std::initializer_list<const char*> names) {
  if (!p.is_bfloat16()) return desc;
  while (desc.get(true)) {
    const std::string found = implementation_of(desc);
    if (std::ranges::any_of(names, [&](const char* name) { return found.starts_with(name); })) {
      return desc;
    }
    if (!desc.next_impl()) break;
  }
  return {};
}

dnnl::convolution_forward::primitive_desc choose_forward(const Problem& p) {
  return chosen(p, describe_forward(p), {"brg"});
}

dnnl::convolution_backward_data::primitive_desc choose_backward_data(const Problem& p) {
  const Hint hint = describe_forward(p);
  if (!hint.get(true)) return {};
  return chosen(p, describe_backward_data(p, hint), {"brg", "jit_bf16"});
}

dnnl::convolution_backward_weights::primitive_desc choose_backward_weights(const Problem& p) {
  const Hint hint = describe_forward(p);
  if (!hint.get(true)) return {};
  return chosen(p, describe_backward_weights(p, hint), {"jit_bf16"});
}

// The base of forward and backward data, which both read a kernel that is reordered first.
class Conv2DWithKernel : public Kernel {
 public:
  explicit Conv2DWithKernel(const graph::Node& node) : node_(node) {}

  void run(const Run& run) override {
    const void* weights = run.values[node_.inputs[1]];
    if (reorder_) {
      reorder_.set(0, weights);
      reorder_.set(1, run.workspace + weights_);
      reorder_.execute();
      weights = run.workspace + weights_;
    }
    convolution_.set(0, run.values[node_.inputs[0]]);
    convolution_.set(1, weights);
    convolution_.set(2, run.values[node_.outputs[0]]);
    convolution_.set(3, run.workspace + scratch_);
    if (has_bias_) convolution_.set(4, run.values[node_.inputs[2]]);
    convolution_.execute();
  }
  std::size_t workspace_bytes() const override { return layout_.total(); }
  int primitives() const override { return reorder_ ? 2 : 1; }

 protected:
  void place(const memory::desc& user, const memory::desc& weights, const memory::desc& scratch) {
    reorder_ = make_reorder(user, weights);
    weights_ = layout_.add(weights.get_size());
    scratch_ = layout_.add(scratch.get_size());
  }

  const graph::Node& node_;
  Primitive convolution_;
  bool has_bias_ = false;

 private:
  Primitive reorder_;
  WorkspaceLayout layout_;
  std::size_t weights_ = 0, scratch_ = 0;
};

class Conv2DForward final : public Conv2DWithKernel {
 public:
  explicit Conv2DForward(const KernelRequest& request) : Conv2DWithKernel(request.node) {
    const Problem p = read(request.graph, request.node);
    const auto desc = choose_forward(p);
    has_bias_ = p.bias.has_value();
    convolution_ = {dnnl::convolution_forward(desc),
                    {{DNNL_ARG_SRC, desc.src_desc()},
                     {DNNL_ARG_WEIGHTS, desc.weights_desc()},
                     {DNNL_ARG_DST, desc.dst_desc()},
                     {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()},
                     {DNNL_ARG_BIAS, has_bias_ ? desc.bias_desc() : memory::desc()}}};
    place(kernel_plain(p.kernel, p.groups), desc.weights_desc(), desc.scratchpad_desc());
  }
};

class Conv2DBackwardData final : public Conv2DWithKernel {
 public:
  explicit Conv2DBackwardData(const KernelRequest& request) : Conv2DWithKernel(request.node) {
    const Problem p = read(request.graph, request.node);
    const auto desc = choose_backward_data(p);
    convolution_ = {dnnl::convolution_backward_data(desc),
                    {{DNNL_ARG_DIFF_DST, desc.diff_dst_desc()},
                     {DNNL_ARG_WEIGHTS, desc.weights_desc()},
                     {DNNL_ARG_DIFF_SRC, desc.diff_src_desc()},
                     {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()}}};
    place(kernel_plain(p.kernel, p.groups), desc.weights_desc(), desc.scratchpad_desc());
  }
};

class Conv2DBackwardWeights final : public Kernel {
 public:
  explicit Conv2DBackwardWeights(const KernelRequest& request) : node_(request.node) {
    const Problem p = read(request.graph, request.node);
    const auto desc = choose_backward_weights(p);
    has_bias_ = p.bias.has_value();
    reorder_ = make_reorder(desc.diff_weights_desc(), kernel_plain(p.kernel, p.groups));
    convolution_ = {dnnl::convolution_backward_weights(desc),
                    {{DNNL_ARG_SRC, desc.src_desc()},
                     {DNNL_ARG_DIFF_DST, desc.diff_dst_desc()},
                     {DNNL_ARG_DIFF_WEIGHTS, desc.diff_weights_desc()},
                     {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()},
                     {DNNL_ARG_DIFF_BIAS, has_bias_ ? desc.diff_bias_desc() : memory::desc()}}};
    weights_ = layout_.add(desc.diff_weights_desc().get_size());
    scratch_ = layout_.add(desc.scratchpad_desc().get_size());
  }

  void run(const Run& run) override {
    void* gradient = run.values[node_.outputs[0]];
    convolution_.set(0, run.values[node_.inputs[0]]);
    convolution_.set(1, run.values[node_.inputs[1]]);
    convolution_.set(2, reorder_ ? run.workspace + weights_ : gradient);
    convolution_.set(3, run.workspace + scratch_);
    if (has_bias_) convolution_.set(4, run.values[node_.outputs[1]]);
    convolution_.execute();
    if (reorder_) {
      reorder_.set(0, run.workspace + weights_);
      reorder_.set(1, gradient);
      reorder_.execute();
    }
  }
  std::size_t workspace_bytes() const override { return layout_.total(); }
  int primitives() const override { return reorder_ ? 2 : 1; }

 private:
  const graph::Node& node_;
  Primitive reorder_, convolution_;
  WorkspaceLayout layout_;
  std::size_t weights_ = 0, scratch_ = 0;
  bool has_bias_ = false;
};

// Whether our own kernel computes a depthwise node: where oneDNN has none for these ("jit_dw",
// "brgdmm_dw"), it multiplies matrices channel by channel, which takes several times as long.
template <class Desc>
bool is_ours(const KernelRequest& request, Desc (*choose)(const Problem&)) {
  if (!is_depthwise(request.graph, request.node)) return false;
  const Desc chosen = choose(read(request.graph, request.node));
  return implementation_of(chosen).find("dw") == std::string::npos;
}
std::unique_ptr<Kernel> make_forward(const KernelRequest& request) {
  if (is_ours(request, &choose_forward)) return make_depthwise(request);
  return make<Conv2DForward>(request);
}
std::unique_ptr<Kernel> make_backward_data(const KernelRequest& request) {
  if (is_ours(request, &choose_backward_data)) return make_depthwise_backward_data(request);
  return make<Conv2DBackwardData>(request);
}
std::unique_ptr<Kernel> make_backward_weights(const KernelRequest& request) {
  if (is_ours(request, &choose_backward_weights)) return make_depthwise_backward_weights(request);
  return make<Conv2DBackwardWeights>(request);
}

bool forward_takes_bfloat16(const graph::Graph& graph, const graph::Node& node) {
  Problem p = read(graph, node);
  if (!choose_forward(p).get(true)) return false;
  p.bias = p.y.dtype;
  p.relu = true;
  return choose_forward(p).get(true);
}
bool backward_data_takes_bfloat16(const graph::Graph& graph, const graph::Node& node) {
  return choose_backward_data(read(graph, node)).get(true);
}
bool backward_weights_takes_bfloat16(const graph::Graph& graph, const graph::Node& node) {
  Problem p = read(graph, node);
  if (!choose_backward_weights(p).get(true)) return false;
  p.bias = DType::float32;  // the type that plan::fuse_bias_gradients uses
  return choose_backward_weights(p).get(true);
}

}  // namespace

const CpuOp conv2d_on_cpu{&make_forward, &forward_takes_bfloat16, &ops::has_bias_and_relu};
const CpuOp conv2d_backward_data_on_cpu{&make_backward_data, &backward_data_takes_bfloat16};
const CpuOp conv2d_backward_weights_on_cpu{&make_backward_weights,
                                           &backward_weights_takes_bfloat16};

}  // namespace stoker::backend::cpu
