// Op matmul on oneDNN. Products that are too small for its overhead go to our own loops.
#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/runtime/dispatch.h"
#include "backend/cpu/runtime/dnn.h"
#include "backend/cpu/runtime/parallel.h"
#include "ops/tail.h"

namespace stoker::backend::cpu {
namespace {

// From this size on oneDNN's matmul, which takes a few microseconds to start, was measured to be
// faster.
constexpr std::int64_t kSmallMatMulOperations = std::int64_t{32} * 1024;
// Of many products, each may be that much smaller, since they share the start.
constexpr std::int64_t kSmallProduct = 512;

struct Problem {
  DType a, b, bias, y;
  ops::ProductSizes sizes;
  bool transpose_a, transpose_b, has_bias, relu;

  // All products together take as long as one of oneDNN's, or each is too small for its blocks.
  bool is_small() const {
    const std::int64_t one = sizes.m * sizes.n * sizes.k;
    return one <= (sizes.products() == 1 ? kSmallMatMulOperations : kSmallProduct);
  }
};

Problem read(const graph::Graph& graph, const graph::Node& node) {
  const auto& attributes = ops::attributes_of<ops::MatMulAttributes>(node);
  const ops::GatedSum tail = ops::gated_sum_of(attributes.tail);
  const bool has_bias = tail.addend >= 0;
  const auto dtype = [&](std::size_t i) { return graph.info(node.inputs[i]).type.dtype; };
  return {dtype(0),
          dtype(1),
          has_bias ? dtype(2) : DType::float32,
          graph.info(node.outputs[0]).type.dtype,
          ops::product_sizes(graph, node),
          attributes.transpose_a,
          attributes.transpose_b,
          has_bias,
          tail.relu};
}

// Describes matrices of rows x columns, one for each place of the batch, of which neighbours along
// an axis lie `steps` matrices apart; an operand that is the same along an axis has 1 place there.
dnnl::memory::desc matrices(const Shape& batch, const Shape& steps, std::int64_t rows,
                            std::int64_t columns, bool transposed, DType dtype) {
  dnnl::memory::dims dims, strides;
  for (std::size_t axis = 0; axis < batch.rank(); ++axis) {
    dims.push_back(steps[axis] == 0 ? 1 : batch[axis]);
    strides.push_back((steps[axis] == 0 ? 1 : steps[axis]) * rows * columns);
  }
  dims.insert(dims.end(), {rows, columns});
  strides.insert(strides.end(), {transposed ? 1 : columns, transposed ? rows : 1});
  return strided(dims, strides, dtype);
}

// The result is empty if oneDNN has no implementation and `may_be_empty` allows that.
dnnl::matmul::primitive_desc describe(const Problem& p, bool may_be_empty = false) {
  const ops::ProductSizes& s = p.sizes;
  const auto a = matrices(s.batch, s.steps_a, s.m, s.k, p.transpose_a, p.a);
  const auto b = matrices(s.batch, s.steps_b, s.k, s.n, p.transpose_b, p.b);
  Shape steps = s.batch;
  std::int64_t step = 1;
  for (std::size_t axis = steps.rank(); axis-- > 0; step *= s.batch[axis]) steps[axis] = step;
  const auto y = matrices(s.batch, steps, s.m, s.n, false, p.y);
  const dnnl::primitive_attr attributes = p.relu ? with_relu() : user_scratchpad();
  if (p.has_bias) {
    dnnl::memory::dims bias(s.batch.rank() + 1, 1);
    bias.push_back(s.n);
    return {dnn_engine(), a, b, plain(bias, p.bias), y, attributes, may_be_empty};
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
    const ops::ProductSizes& s = problem_.sizes;
    const std::int64_t bytes = 4 * (s.m * s.n + s.m * s.k + s.k * s.n) + s.m * s.n * s.k / 2;
    parallel_for(s.products(), grain_for(bytes), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) run_product(run, i);
    });
  }

 private:
  void run_product(const Run& run, std::int64_t number) const {
    const ops::ProductSizes& s = problem_.sizes;
    std::int64_t a = 0, b = 0, rest = number;
    for (std::size_t axis = s.batch.rank(); axis-- > 0; rest /= s.batch[axis]) {
      a += rest % s.batch[axis] * s.steps_a[axis];
      b += rest % s.batch[axis] * s.steps_b[axis];
    }
    table_.matmul({.m = s.m,
                   .n = s.n,
                   .k = s.k,
                   .transpose_a = problem_.transpose_a,
                   .transpose_b = problem_.transpose_b,
                   .relu = problem_.relu,
                   .a = run.floats(node_.inputs[0]) + a * s.m * s.k,
                   .b = run.floats(node_.inputs[1]) + b * s.k * s.n,
                   .bias = problem_.has_bias ? run.floats(node_.inputs[2]) : nullptr,
                   .y = run.floats(node_.outputs[0]) + number * s.m * s.n});
  }

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
