// matmul: oneDNN; products too small for its overhead go to our own loops.
#include "backend/cpu/dispatch.h"
#include "backend/cpu/dnn.h"
#include "backend/cpu/kernel.h"

namespace stoker::backend::cpu {
namespace {

// Measured break-even with oneDNN's matmul, which takes a few microseconds to start.
constexpr std::int64_t kSmallMatMulOperations = std::int64_t{32} * 1024;

struct Problem {
  std::int64_t m, n, k;
  bool transpose_a, transpose_b, has_bias, relu;
};

Problem read(const KernelRequest& request) {
  const auto& attributes = ops::attributes_of<ops::MatMulAttributes>(request.node);
  const Shape& a = request.input(0).type.shape;
  const Shape& y = request.output(0).type.shape;
  return {y[0],
          y[1],
          a[attributes.transpose_a ? 0 : 1],
          attributes.transpose_a,
          attributes.transpose_b,
          attributes.has_bias,
          attributes.epilogue == ops::Epilogue::relu};
}

class DnnMatMul final : public Kernel {
 public:
  DnnMatMul(const KernelRequest& request, const Problem& p)
      : node_(request.node), has_bias_(p.has_bias) {
    using dnnl::memory;
    const memory::desc a = p.transpose_a ? strided({p.m, p.k}, {1, p.m}) : plain({p.m, p.k});
    const memory::desc b = p.transpose_b ? strided({p.k, p.n}, {1, p.k}) : plain({p.k, p.n});
    const memory::desc y = plain({p.m, p.n});
    const memory::desc bias = p.has_bias ? plain({1, p.n}) : memory::desc();
    dnnl::primitive_attr attributes = user_scratchpad();
    if (p.relu) {
      dnnl::post_ops post;
      post.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
      attributes.set_post_ops(post);
    }
    const auto desc = p.has_bias
                          ? dnnl::matmul::primitive_desc(dnn_engine(), a, b, bias, y, attributes)
                          : dnnl::matmul::primitive_desc(dnn_engine(), a, b, y, attributes);
    scratch_ = desc.scratchpad_desc().get_size();
    if (p.has_bias) {
      matmul_ = {dnnl::matmul(desc),
                 {{DNNL_ARG_SRC, a},
                  {DNNL_ARG_WEIGHTS, b},
                  {DNNL_ARG_DST, y},
                  {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()},
                  {DNNL_ARG_BIAS, bias}}};
    } else {
      matmul_ = {dnnl::matmul(desc),
                 {{DNNL_ARG_SRC, a},
                  {DNNL_ARG_WEIGHTS, b},
                  {DNNL_ARG_DST, y},
                  {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()}}};
    }
  }

  void run(const Run& run) override {
    matmul_.set(0, run.values[node_.inputs[0]]);
    matmul_.set(1, run.values[node_.inputs[1]]);
    matmul_.set(2, run.values[node_.outputs[0]]);
    matmul_.set(3, run.workspace);
    if (has_bias_) matmul_.set(4, run.values[node_.inputs[2]]);
    matmul_.execute();
  }
  std::size_t workspace_bytes() const override { return scratch_; }
  int primitives() const override { return 1; }

 private:
  const graph::Node& node_;
  bool has_bias_;
  Primitive matmul_;
  std::size_t scratch_ = 0;
};

class EigenMatMul final : public Kernel {
 public:
  EigenMatMul(const KernelRequest& request, const Problem& p) : node_(request.node), problem_(p) {}

  void run(const Run& run) override {
    table_.matmul({.m = problem_.m,
                   .n = problem_.n,
                   .k = problem_.k,
                   .transpose_a = problem_.transpose_a,
                   .transpose_b = problem_.transpose_b,
                   .relu = problem_.relu,
                   .a = run.floats(node_.inputs[0]),
                   .b = run.floats(node_.inputs[1]),
                   .bias = problem_.has_bias ? run.floats(node_.inputs[2]) : nullptr,
                   .y = run.floats(node_.outputs[0])});
  }

 private:
  const graph::Node& node_;
  Problem problem_;
  const KernelTable& table_ = kernels();
};

}  // namespace

std::unique_ptr<Kernel> make_matmul_kernel(const KernelRequest& request) {
  const Problem p = read(request);
  if (p.m * p.n * p.k <= kSmallMatMulOperations) {
    return std::make_unique<EigenMatMul>(request, p);
  }
  return std::make_unique<DnnMatMul>(request, p);
}

}  // namespace stoker::backend::cpu
