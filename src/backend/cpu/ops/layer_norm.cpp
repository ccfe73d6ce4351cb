// Op layer_norm and the gradient of its input.
#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/ops/rows.h"
#include "backend/cpu/runtime/dispatch.h"
#include "backend/cpu/runtime/parallel.h"

namespace stoker::backend::cpu {
namespace {

// Both passes read their arguments and go over the rows alike.
class LayerNormBase : public Kernel {
 public:
  explicit LayerNormBase(const KernelRequest& request)
      : node_(request.node),
        rows_(request.input(0).type.shape),
        epsilon_(ops::attributes_of<ops::LayerNormAttributes>(request.node).epsilon) {}

 protected:
  LayerNorm arguments(const Run& run) const {
    LayerNorm arguments{};
    arguments.columns = rows_.columns;
    arguments.epsilon = epsilon_;
    arguments.x = run.floats(node_.inputs[0]);
    arguments.gamma = run.floats(node_.inputs[1]);
    return arguments;
  }
  using Pass = void (*)(const LayerNorm&, std::int64_t begin, std::int64_t end);
  void run_pass(Pass pass, const LayerNorm& arguments) const {
    parallel_for(rows_.count, grain_for(12 * rows_.columns),
                 [&](std::int64_t begin, std::int64_t end) { pass(arguments, begin, end); });
  }

  const graph::Node& node_;
  const KernelTable& table_ = kernels();

 private:
  const Rows rows_;
  const float epsilon_;
};

class LayerNormKernel final : public LayerNormBase {
 public:
  using LayerNormBase::LayerNormBase;

  void run(const Run& run) override {
    LayerNorm a = arguments(run);
    a.beta = run.floats(node_.inputs[2]);
    a.y = run.floats(node_.outputs[0]);
    a.mean = run.floats(node_.outputs[1]);
    a.inverse = run.floats(node_.outputs[2]);
    run_pass(table_.layer_norm, a);
  }
};

class LayerNormBackwardKernel final : public LayerNormBase {
 public:
  using LayerNormBase::LayerNormBase;

  void run(const Run& run) override {
    LayerNorm a = arguments(run);
    a.mean = run.floats(node_.inputs[2]);
    a.inverse = run.floats(node_.inputs[3]);
    a.dy = run.floats(node_.inputs[4]);
    a.dx = run.floats(node_.outputs[0]);
    run_pass(table_.layer_norm_backward, a);
  }
};

}  // namespace

const CpuOp layer_norm_on_cpu{&make<LayerNormKernel>, &never_in_bfloat16};
const CpuOp layer_norm_backward_on_cpu{&make<LayerNormBackwardKernel>, &never_in_bfloat16};

}  // namespace stoker::backend::cpu
