// batch_norm on oneDNN: statistics over all axes but the last.
#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/runtime/dnn.h"

namespace stoker::backend::cpu {
namespace {

using dnnl::memory;
using dnnl::normalization_flags;

// oneDNN normalises the second axis: [.., C] is taken as (rows, C, 1, 1) in NHWC.
memory::desc as_image(const Shape& shape) {
  const std::int64_t channels = shape.back();
  return image(Shape{shape.elements() / channels, 1, 1, channels});
}

normalization_flags scale_and_shift() {
  return normalization_flags::use_scale | normalization_flags::use_shift;
}

dnnl::batch_normalization_forward::primitive_desc describe_forward(const Shape& x, float epsilon) {
  return {dnn_engine(),     dnnl::prop_kind::forward_training,
          as_image(x),      as_image(x),
          epsilon,          scale_and_shift(),
          user_scratchpad()};
}

class BatchNorm final : public Kernel {
 public:
  explicit BatchNorm(const KernelRequest& request) : node_(request.node) {
    const auto& a = ops::attributes_of<ops::BatchNormAttributes>(request.node);
    const Shape& x = request.input(0).type.shape;
    const auto desc = describe_forward(x, a.epsilon);
    const auto vector = plain({x.back()});
    scratch_ = desc.scratchpad_desc().get_size();
    norm_ = {dnnl::batch_normalization_forward(desc),
             {{DNNL_ARG_SRC, desc.src_desc()},
              {DNNL_ARG_SCALE, vector},
              {DNNL_ARG_SHIFT, vector},
              {DNNL_ARG_DST, desc.dst_desc()},
              {DNNL_ARG_MEAN, vector},
              {DNNL_ARG_VARIANCE, vector},
              {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()}}};
  }

  void run(const Run& run) override {
    for (std::size_t i = 0; i < 3; ++i) {
      norm_.set(i, run.values[node_.inputs[i]]);
      norm_.set(3 + i, run.values[node_.outputs[i]]);
    }
    norm_.set(6, run.workspace);
    norm_.execute();
  }
  std::size_t workspace_bytes() const override { return scratch_; }
  int primitives() const override { return 1; }

 private:
  const graph::Node& node_;
  Primitive norm_;
  std::size_t scratch_ = 0;
};

class BatchNormBackward final : public Kernel {
 public:
  explicit BatchNormBackward(const KernelRequest& request) : node_(request.node) {
    const auto& a = ops::attributes_of<ops::BatchNormAttributes>(request.node);
    const Shape& x = request.input(0).type.shape;
    const dnnl::batch_normalization_backward::primitive_desc desc(
        dnn_engine(), dnnl::prop_kind::backward, as_image(x), as_image(x), as_image(x), a.epsilon,
        scale_and_shift(), describe_forward(x, a.epsilon), user_scratchpad());
    const auto vector = plain({x.back()});
    scratch_ = desc.scratchpad_desc().get_size();
    norm_ = {dnnl::batch_normalization_backward(desc),
             {{DNNL_ARG_SRC, desc.src_desc()},
              {DNNL_ARG_SCALE, vector},
              {DNNL_ARG_MEAN, vector},
              {DNNL_ARG_VARIANCE, vector},
              {DNNL_ARG_DIFF_DST, desc.diff_dst_desc()},
              {DNNL_ARG_DIFF_SRC, desc.diff_src_desc()},
              {DNNL_ARG_DIFF_SCALE, vector},
              {DNNL_ARG_DIFF_SHIFT, vector},
              {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()}}};
  }

  void run(const Run& run) override {
    for (std::size_t i = 0; i < 5; ++i) norm_.set(i, run.values[node_.inputs[i]]);
    for (std::size_t i = 0; i < 3; ++i) norm_.set(5 + i, run.values[node_.outputs[i]]);
    norm_.set(8, run.workspace);
    norm_.execute();
  }
  std::size_t workspace_bytes() const override { return scratch_; }
  int primitives() const override { return 1; }

 private:
  const graph::Node& node_;
  Primitive norm_;
  std::size_t scratch_ = 0;
};

}  // namespace

const CpuOp batch_norm_on_cpu{&make<BatchNorm>, &never_in_bfloat16};
const CpuOp batch_norm_backward_on_cpu{&make<BatchNormBackward>, &never_in_bfloat16};

}  // namespace stoker::backend::cpu
