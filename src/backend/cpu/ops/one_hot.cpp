// Op one_hot.
#include <algorithm>

#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/ops/rows.h"
#include "backend/cpu/runtime/parallel.h"

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

}  // namespace

const CpuOp one_hot_on_cpu{&make<OneHotKernel>, &never_in_bfloat16};

}  // namespace stoker::backend::cpu
