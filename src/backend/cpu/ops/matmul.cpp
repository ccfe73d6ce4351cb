// Op matmul on oneDNN. Products that are too small for its overhead go to our own loops.
#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/runtime/dispatch.h"
#include "backend/cpu/runtime/dnn.h"
#include "ops/tail.h"

namespace stoker::backend::cpu {
namespace {

// From this size on oneDNN's matmul, which takes a few microseconds to start, was measured to be
// faster.
constexpr std::int64_t kSmallMatMulOperations = std::int64_t{32} * 1024;

struct Problem {
  DType a, b, bias, y;
  std::int64_t m, n, k;
  bool transpose_a, transpose_b, has_bias, relu;

  bool is_small() const { return m * n * k <= kSmallMatMulOperations; }
};

Problem read(const graph::Graph& graph, const graph::Node& node) {
  const auto& attributes = ops::attributes_of<ops::MatMulAttributes>(node);
  const ops::GatedSum tail = ops::gated_sum_of(attributes.tail);
  const bool has_bias = tail.addend >= 0;
  const Shape& a = graph.info(node.inputs[0]).type.shape;
  const Shape& y = graph.info(node.outputs[0]).type.shape;
  const auto dtype = [&](std::size_t i) { return graph.info(node.inputs[i]).type.dtype; };
  return {dtype(0),
          dtype(1),
          has_bias ? dtype(2) : DType::float32,
          graph.info(node.outputs[0]).type.dtype,
          y[0],
          y[1],
          a[attributes.transpose_a ? 0 : 1],
          attributes.transpose_a,
          attributes.transpose_b,
          has_bias,
          tail.relu};
}

// The result is empty if oneDNN has no implementation and `may_be_empty` allows that.
dnnl::matmul::primitive_desc describe(const Problem& p, bool may_be_empty = false) {
  const auto a = p.transpose_a ? strided({p.m, p.k}, {1, p.m}, p.a) : plain({p.m, p.k}, p.a);
  const auto b = p.transpose_b ? strided({p.k, p.n}, {1, p.k}, p.b) : plain({p.k, p.n}, p.b);
  const auto y = plain({p.m, p.n}, p.y);
  const dnnl::primitive_attr attributes = p.relu ? with_relu() : user_scratchpad();
  if (p.has_bias) {
    return {dnn_engine(), a, b, plain({1, p.n}, p.bias), y, attributes, may_be_empty};
  }
  return {dnn_engine(), a, b, y, attributes, may_be_empty};
}

class DnnMatMul final : public Kernel {
 public:
  DnnMatMul(const KernelRequest& request, const Problem& p)
      : node_(request.node), has_bias_(p.has_bias) {
    const auto desc = describe(p);
    scratch_ = desc.scratchpad_desc().get_size();
    if (p.has_bias) {
      matmul_ = {dnnl::matmul(desc),
                 {{DNNL_ARG_SRC, desc.src_desc()},
                  {DNNL_ARG_WEIGHTS, desc.weights_desc()},
                  {DNNL_ARG_DST, desc.dst_desc()},
                  {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()},
                  {DNNL_ARG_BIAS, desc.bias_desc()}}};
    } else {
      matmul_ = {dnnl::matmul(desc),
                 {{DNNL_ARG_SRC, desc.src_desc()},
                  {DNNL_ARG_WEIGHTS, desc.weights_desc()},
                  {DNNL_ARG_DST, desc.dst_desc()},
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

bool takes_bfloat16(const graph::Graph& graph, const graph::Node& node) {
  Problem p = read(graph, node);
  if (p.is_small()) return false;
  const auto is_brgemm = [&] { return implementation_of(describe(p, true)).starts_with("brg"); };
  if (!is_brgemm()) return false;
  p.has_bias = p.relu = true;
  p.bias = p.y;
  return is_brgemm();
}

std::unique_ptr<Kernel> make_matmul(const KernelRequest& request) {
  const Problem p = read(request.graph, request.node);
  if (p.is_small()) return std::make_unique<EigenMatMul>(request, p);
  return std::make_unique<DnnMatMul>(request, p);
}

}  // namespace

const CpuOp matmul_on_cpu{&make_matmul, &takes_bfloat16, &ops::has_bias_and_relu};

}  // namespace stoker::backend::cpu
