// Ops one_hot and argmax.
#include <algorithm>

#include "backend/cpu/kernel.h"
#include "backend/cpu/ops/rows.h"
#include "backend/cpu/parallel.h"

namespace stoker::backend::cpu {
namespace {

class OneHotKernel : public Kernel {
 public:
  explicit OneHotKernel(const KernelRequest& request)
      : rows_(request.output(0).type.shape),
        node_(request.id),
        input_(request.node.inputs[0]),
        output_(request.node.outputs[0]) {}

  void run(const Run& run) override {
    const auto* labels = static_cast<const std::int32_t*>(run.values[input_]);
    float* to = run.floats(output_);
    const std::int64_t classes = rows_.columns;
    FirstBadRow bad;
    parallel_for(rows_.count, grain_for(4 * classes), [&](std::int64_t begin, std::int64_t end) {
      std::fill(to + begin * classes, to + end * classes, 0.0f);
      for (std::int64_t row = begin; row < end; ++row) {
        if (labels[row] >= 0 && labels[row] < classes) {
          to[row * classes + labels[row]] = 1.0f;
        } else {
          bad.report(row);
        }
      }
    });
    bad.record(*run.scalars, node_, labels);
  }

 private:
  Rows rows_;
  graph::NodeId node_;
  graph::ValueId input_, output_;
};

// As NumPy: the first NaN counts as the largest.
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

std::unique_ptr<Kernel> make_one_hot_kernel(const KernelRequest& request) {
  return std::make_unique<OneHotKernel>(request);
}
std::unique_ptr<Kernel> make_argmax_kernel(const KernelRequest& request) {
  return std::make_unique<ArgmaxKernel>(request);
}

}  // namespace stoker::backend::cpu
