// Op argmax.
#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/ops/rows.h"
#include "backend/cpu/runtime/parallel.h"

namespace stoker::backend::cpu {
namespace {

// As in NumPy, the first NaN counts as the largest.
std::int32_t position_of_largest(const float* x, std::int64_t count) {
  std::int64_t best = 0;
  for (std::int64_t i = 1; i < count; ++i) {
    const bool is_larger = x[i] > x[best] || (x[i] != x[i] && x[best] == x[best]);
    if (is_larger) best = i;
  }
  return static_cast<std::int32_t>(best);
}

class ArgmaxKernel : public Kernel {
 public:
  explicit ArgmaxKernel(const KernelRequest& request)
      : rows_(request.input(0).type.shape),
        input_(request.node.inputs[0]),
        output_(request.node.outputs[0]) {}

  void run(const Run& run) override {
    const float* x = run.floats(input_);
    auto* to = static_cast<std::int32_t*>(run.values[output_]);
    const std::int64_t columns = rows_.columns;
    parallel_for(rows_.count, grain_for(4 * columns), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        to[row] = position_of_largest(x + row * columns, columns);
      }
    });
  }

 private:
  Rows rows_;
  graph::ValueId input_, output_;
};

}  // namespace

const CpuOp argmax_on_cpu{&make<ArgmaxKernel>, &never_in_bfloat16};

}  // namespace stoker::backend::cpu
