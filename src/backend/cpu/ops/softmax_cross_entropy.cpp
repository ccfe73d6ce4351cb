// Op softmax_cross_entropy: loss and gradient in one pass over the logits, for class numbers (those
// of float32 become int32 in the workspace) and for rows of probabilities.
#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/ops/rows.h"
#include "backend/cpu/runtime/dispatch.h"
#include "backend/cpu/runtime/parallel.h"

namespace stoker::backend::cpu {
namespace {

class SoftmaxCrossEntropyKernel : public Kernel {
 public:
  explicit SoftmaxCrossEntropyKernel(const KernelRequest& request)
      : rows_(request.input(0).type.shape),
        is_sparse_(request.input(1).type.shape.rank() == 1),
        is_converted_(is_sparse_ && request.input(1).type.dtype == DType::float32),
        node_(request.id),
        logits_(request.node.inputs[0]),
        labels_(request.node.inputs[1]),
        loss_(request.node.outputs[0]),
        gradient_(request.node.outputs[1]) {}

  void run(const Run& run) override { is_sparse_ ? run_sparse(run) : run_dense(run); }
  std::size_t workspace_bytes() const override {
    return is_converted_ ? static_cast<std::size_t>(rows_.count) * sizeof(std::int32_t) : 0;
  }

 private:
  std::int64_t grain() const { return grain_for(16 * rows_.columns); }

  void run_sparse(const Run& run) const {
    const auto* labels = static_cast<const std::int32_t*>(run.values[labels_]);
    if (is_converted_) {
      auto* converted = reinterpret_cast<std::int32_t*>(run.workspace);
      const float* given = run.floats(labels_);
      for (std::int64_t i = 0; i < rows_.count; ++i)
        converted[i] = ClassNumbers::truncated(given[i]);
      labels = converted;
    }
    const float* logits = run.floats(logits_);
    float* loss = run.floats(loss_);
    float* gradient = run.floats(gradient_);
    const std::int64_t columns = rows_.columns;
    FirstBadRow bad;
    parallel_for(rows_.count, grain(), [&](std::int64_t begin, std::int64_t end) {
      const std::int64_t row =
          table_.cross_entropy_sparse(logits + begin * columns, labels + begin, loss + begin,
                                      gradient + begin * columns, end - begin, columns);
      if (row >= 0) bad.report(begin + row);
    });
    bad.record(*run.scalars, node_, labels);
  }

  void run_dense(const Run& run) const {
    const float* labels = run.floats(labels_);
    const float* logits = run.floats(logits_);
    float* loss = run.floats(loss_);
    float* gradient = run.floats(gradient_);
    const std::int64_t columns = rows_.columns;
    parallel_for(rows_.count, grain(), [&](std::int64_t begin, std::int64_t end) {
      const std::int64_t at = begin * columns;
      table_.cross_entropy_dense(logits + at, labels + at, loss + begin, gradient + at, end - begin,
                                 columns);
    });
  }

  const KernelTable& table_ = kernels();
  Rows rows_;
  bool is_sparse_;
  bool is_converted_;
  graph::NodeId node_;
  graph::ValueId logits_, labels_, loss_, gradient_;
};

}  // namespace

const CpuOp softmax_cross_entropy_on_cpu{&make<SoftmaxCrossEntropyKernel>, &never_in_bfloat16};

}  // namespace stoker::backend::cpu
