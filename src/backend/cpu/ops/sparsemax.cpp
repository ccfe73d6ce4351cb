// Op sparsemax.
#include <cmath>
#include <limits>

#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/ops/rows.h"
#include "backend/cpu/runtime/parallel.h"

namespace stoker::backend::cpu {
namespace {

// Returns the threshold by which the projection on the simplex shifts a row: sum max(x - threshold,
// 0) = 1. The algorithm is that of Michelot, "A finite algorithm for finding the projection of a
// point onto the canonical simplex of R^n", 1986, which needs neither sorting nor memory. A row
// that is not finite gives NaN.
double simplex_threshold(const float* x, std::int64_t columns) {
  double threshold = -std::numeric_limits<double>::infinity();
  for (std::int64_t before = -1;;) {
    double sum = 0.0;
    std::int64_t above = 0;
    for (std::int64_t c = 0; c < columns; ++c) {
      if (x[c] <= threshold) continue;  // false for a NaN, which so stays in the sum
      sum += x[c];
      ++above;
    }
    threshold = (sum - 1.0) / static_cast<double>(above);
    if (above == before || !std::isfinite(threshold)) return threshold;
    before = above;
  }
}

class SparsemaxKernel : public Kernel {
 public:
  explicit SparsemaxKernel(const KernelRequest& request)
      : rows_(request.input(0).type.shape),
        input_(request.node.inputs[0]),
        output_(request.node.outputs[0]) {}

  void run(const Run& run) override {
    const std::int64_t columns = rows_.columns;
    parallel_for(rows_.count, grain_for(32 * columns), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const float* x = run.floats(input_) + row * columns;
        float* y = run.floats(output_) + row * columns;
        const double threshold = simplex_threshold(x, columns);
        for (std::int64_t c = 0; c < columns; ++c) {
          const double above = x[c] - threshold;
          y[c] = above < 0.0 ? 0.0f : static_cast<float>(above);
        }
      }
    });
  }

 private:
  Rows rows_;
  graph::ValueId input_, output_;
};

}  // namespace

const CpuOp sparsemax_on_cpu{&make<SparsemaxKernel>, &never_in_bfloat16};

}  // namespace stoker::backend::cpu
