// Op pool2d on oneDNN. oneDNN's workspace of max pooling is our op's second output: an index within
// the window for each output, a byte for windows of up to 255 pixels and an int32 for larger ones.
#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/runtime/dnn.h"

namespace stoker::backend::cpu {
namespace {

using dnnl::memory;
using ops::Pool2DAttributes;
using ops::PoolKind;

dnnl::algorithm algorithm(PoolKind kind) {
  return kind == PoolKind::max ? dnnl::algorithm::pooling_max
                               : dnnl::algorithm::pooling_avg_exclude_padding;
}

dnnl::pooling_forward::primitive_desc describe_forward(const Shape& x, const Shape& y,
                                                       const Pool2DAttributes& a) {
  return {dnn_engine(),
          dnnl::prop_kind::forward_training,
          algorithm(a.kind),
          image(x),
          image(y),
          {a.strides[0], a.strides[1]},
          {a.window[0], a.window[1]},
          {0, 0},
          {a.padding_before[0], a.padding_before[1]},
          {a.padding_after[0], a.padding_after[1]},
          user_scratchpad()};
}

class Pool2D final : public Kernel {
 public:
  explicit Pool2D(const KernelRequest& request) : node_(request.node) {
    const auto& a = ops::attributes_of<Pool2DAttributes>(request.node);
    const auto desc =
        describe_forward(request.input(0).type.shape, request.output(0).type.shape, a);
    is_max_ = a.kind == PoolKind::max;
    scratch_ = desc.scratchpad_desc().get_size();
    pool_ = {dnnl::pooling_forward(desc),
             {{DNNL_ARG_SRC, desc.src_desc()},
              {DNNL_ARG_DST, desc.dst_desc()},
              {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()},
              {DNNL_ARG_WORKSPACE, desc.workspace_desc()}}};
  }

  void run(const Run& run) override {
    pool_.set(0, run.values[node_.inputs[0]]);
    pool_.set(1, run.values[node_.outputs[0]]);
    pool_.set(2, run.workspace);
    if (is_max_) pool_.set(3, run.values[node_.outputs[1]]);
    pool_.execute();
  }
  std::size_t workspace_bytes() const override { return scratch_; }
  int primitives() const override { return 1; }

 private:
  const graph::Node& node_;
  Primitive pool_;
  std::size_t scratch_ = 0;
  bool is_max_ = false;
};

class Pool2DBackward final : public Kernel {
 public:
  explicit Pool2DBackward(const KernelRequest& request) : node_(request.node) {
    const auto& a = ops::attributes_of<Pool2DAttributes>(request.node);
    const Shape& dy = request.input(0).type.shape;
    const Shape& dx = request.output(0).type.shape;
    const auto forward = describe_forward(dx, dy, a);
    const dnnl::pooling_backward::primitive_desc desc(
        dnn_engine(), algorithm(a.kind), image(dx), image(dy), {a.strides[0], a.strides[1]},
        {a.window[0], a.window[1]}, {0, 0}, {a.padding_before[0], a.padding_before[1]},
        {a.padding_after[0], a.padding_after[1]}, forward, user_scratchpad());
    is_max_ = a.kind == PoolKind::max;
    scratch_ = desc.scratchpad_desc().get_size();
    pool_ = {dnnl::pooling_backward(desc),
             {{DNNL_ARG_DIFF_DST, desc.diff_dst_desc()},
              {DNNL_ARG_DIFF_SRC, desc.diff_src_desc()},
              {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()},
              {DNNL_ARG_WORKSPACE, forward.workspace_desc()}}};
  }

  void run(const Run& run) override {
    pool_.set(0, run.values[node_.inputs[0]]);
    pool_.set(1, run.values[node_.outputs[0]]);
    pool_.set(2, run.workspace);
    if (is_max_) pool_.set(3, run.values[node_.inputs[1]]);
    pool_.execute();
  }
  std::size_t workspace_bytes() const override { return scratch_; }
  int primitives() const override { return 1; }

 private:
  const graph::Node& node_;
  Primitive pool_;
  std::size_t scratch_ = 0;
  bool is_max_ = false;
};

}  // namespace

const CpuOp pool2d_on_cpu{&make<Pool2D>, &never_in_bfloat16};
const CpuOp pool2d_backward_on_cpu{&make<Pool2DBackward>, &never_in_bfloat16};

}  // namespace stoker::backend::cpu
