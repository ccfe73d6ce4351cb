// Op softmax, and log_softmax.
#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/ops/rows.h"
#include "backend/cpu/runtime/dispatch.h"
#include "backend/cpu/runtime/parallel.h"

namespace stoker::backend::cpu {
namespace {

class SoftmaxKernel : public Kernel {
 public:
  explicit SoftmaxKernel(const KernelRequest& request)
      : rows_(request.input(0).type.shape),
        log_(ops::attributes_of<ops::SoftmaxAttributes>(request.node).log),
        input_(request.node.inputs[0]),
        output_(request.node.outputs[0]) {}

  void run(const Run& run) override {
    const float* x = run.floats(input_);
    float* y = run.floats(output_);
    const std::int64_t columns = rows_.columns;
    // The exponential takes as long as several times as much memory would.
    parallel_for(rows_.count, grain_for(16 * columns), [&](std::int64_t begin, std::int64_t end) {
      table_.softmax(x + begin * columns, y + begin * columns, end - begin, columns, log_);
    });
  }

 private:
  const KernelTable& table_ = kernels();
  Rows rows_;
  bool log_;
  graph::ValueId input_, output_;
};

}  // namespace

const CpuOp softmax_on_cpu{&make<SoftmaxKernel>, &never_in_bfloat16};

}  // namespace stoker::backend::cpu
