// conv2d and its backward ops on oneDNN. Activations stay NHWC; kernels are HWIO in the flat
// parameter buffer and are brought into oneDNN's blocked layout once per step, where the step's
// update has just changed them.
#include "backend/cpu/dnn.h"
#include "backend/cpu/kernel.h"

namespace stoker::backend::cpu {
namespace {

using dnnl::memory;
using ops::Conv2DAttributes;

memory::dims kernel_dims(const Shape& hwio, std::int64_t groups) {
  if (groups == 1) return {hwio[3], hwio[2], hwio[0], hwio[1]};
  return {groups, hwio[3] / groups, hwio[2], hwio[0], hwio[1]};
}

memory::desc kernel_plain(const Shape& hwio, std::int64_t groups) {
  const std::int64_t o = hwio[3];
  const std::int64_t io = hwio[2] * o;
  const memory::dims strides{1, o, hwio[1] * io, io};  // O, I, H, W
  if (groups == 1) return strided(kernel_dims(hwio, 1), strides);
  memory::dims grouped{o / groups};
  grouped.insert(grouped.end(), strides.begin(), strides.end());
  return strided(kernel_dims(hwio, groups), grouped);
}

struct Geometry {
  memory::dims strides, dilations, before, after;
};

Geometry geometry(const Conv2DAttributes& a) {
  return {{a.strides[0], a.strides[1]},
          {a.dilations[0] - 1, a.dilations[1] - 1},  // oneDNN counts the gaps
          {a.padding_before[0], a.padding_before[1]},
          {a.padding_after[0], a.padding_after[1]}};
}

dnnl::convolution_forward::primitive_desc describe_forward(const Shape& x, const Shape& kernel,
                                                           const Shape& y,
                                                           const Conv2DAttributes& a) {
  const Geometry g = geometry(a);
  dnnl::primitive_attr attributes = user_scratchpad();
  if (a.epilogue == ops::Epilogue::relu) {
    dnnl::post_ops post;
    post.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
    attributes.set_post_ops(post);
  }
  const auto weights = any_layout(kernel_dims(kernel, a.groups));
  if (a.has_bias) {
    return {dnn_engine(),
            dnnl::prop_kind::forward_training,
            dnnl::algorithm::convolution_direct,
            image(x),
            weights,
            plain({kernel[3]}),
            image(y),
            g.strides,
            g.dilations,
            g.before,
            g.after,
            attributes};
  }
  return {dnn_engine(),
          dnnl::prop_kind::forward_training,
          dnnl::algorithm::convolution_direct,
          image(x),
          weights,
          image(y),
          g.strides,
          g.dilations,
          g.before,
          g.after,
          attributes};
}

// Forward and backward data: both read a kernel, which is reordered first.
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
    const auto& a = ops::attributes_of<Conv2DAttributes>(request.node);
    const Shape& kernel = request.input(1).type.shape;
    const auto desc =
        describe_forward(request.input(0).type.shape, kernel, request.output(0).type.shape, a);
    has_bias_ = a.has_bias;
    convolution_ = {dnnl::convolution_forward(desc),
                    {{DNNL_ARG_SRC, desc.src_desc()},
                     {DNNL_ARG_WEIGHTS, desc.weights_desc()},
                     {DNNL_ARG_DST, desc.dst_desc()},
                     {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()},
                     {DNNL_ARG_BIAS, has_bias_ ? desc.bias_desc() : memory::desc()}}};
    place(kernel_plain(kernel, a.groups), desc.weights_desc(), desc.scratchpad_desc());
  }
};

class Conv2DBackwardData final : public Conv2DWithKernel {
 public:
  explicit Conv2DBackwardData(const KernelRequest& request) : Conv2DWithKernel(request.node) {
    auto a = ops::attributes_of<Conv2DAttributes>(request.node);
    a.has_bias = false;
    a.epilogue = ops::Epilogue::none;
    const Shape& dy = request.input(0).type.shape;
    const Shape& kernel = request.input(1).type.shape;
    const Shape& dx = request.output(0).type.shape;
    const Geometry g = geometry(a);
    const dnnl::convolution_backward_data::primitive_desc desc(
        dnn_engine(), dnnl::algorithm::convolution_direct, image(dx),
        any_layout(kernel_dims(kernel, a.groups)), image(dy), g.strides, g.dilations, g.before,
        g.after, describe_forward(dx, kernel, dy, a), user_scratchpad());
    convolution_ = {dnnl::convolution_backward_data(desc),
                    {{DNNL_ARG_DIFF_DST, desc.diff_dst_desc()},
                     {DNNL_ARG_WEIGHTS, desc.weights_desc()},
                     {DNNL_ARG_DIFF_SRC, desc.diff_src_desc()},
                     {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()}}};
    place(kernel_plain(kernel, a.groups), desc.weights_desc(), desc.scratchpad_desc());
  }
};

class Conv2DBackwardWeights final : public Kernel {
 public:
  explicit Conv2DBackwardWeights(const KernelRequest& request) : node_(request.node) {
    auto a = ops::attributes_of<Conv2DAttributes>(request.node);
    a.epilogue = ops::Epilogue::none;
    const Shape& x = request.input(0).type.shape;
    const Shape& dy = request.input(1).type.shape;
    const Shape& kernel = request.output(0).type.shape;
    const Geometry g = geometry(a);
    has_bias_ = a.has_bias;
    const auto hint = describe_forward(x, kernel, dy, a);
    const auto weights = any_layout(kernel_dims(kernel, a.groups));
    const auto desc = has_bias_ ? dnnl::convolution_backward_weights::primitive_desc(
                                      dnn_engine(), dnnl::algorithm::convolution_direct, image(x),
                                      weights, plain({kernel[3]}), image(dy), g.strides,
                                      g.dilations, g.before, g.after, hint, user_scratchpad())
                                : dnnl::convolution_backward_weights::primitive_desc(
                                      dnn_engine(), dnnl::algorithm::convolution_direct, image(x),
                                      weights, image(dy), g.strides, g.dilations, g.before, g.after,
                                      hint, user_scratchpad());
    reorder_ = make_reorder(desc.diff_weights_desc(), kernel_plain(kernel, a.groups));
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

}  // namespace

std::unique_ptr<Kernel> make_conv2d_kernel(const KernelRequest& request) {
  return std::make_unique<Conv2DForward>(request);
}
std::unique_ptr<Kernel> make_conv2d_backward_data_kernel(const KernelRequest& request) {
  return std::make_unique<Conv2DBackwardData>(request);
}
std::unique_ptr<Kernel> make_conv2d_backward_weights_kernel(const KernelRequest& request) {
  return std::make_unique<Conv2DBackwardWeights>(request);
}

}  // namespace stoker::backend::cpu
