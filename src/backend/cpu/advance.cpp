// Op advance: decides whether the step counts.
#include <cmath>

#include "backend/cpu/kernel.h"

namespace stoker::backend::cpu {
namespace {

class AdvanceKernel : public Kernel {
 public:
  explicit AdvanceKernel(const KernelRequest& request)
      : node_(request.id),
        loss_(request.node.inputs[0]),
        largest_gradient_(request.node.inputs.size() > 1 ? request.node.inputs[1] : graph::kNone) {}

  void run(const Run& run) override {
    plan::Scalars& scalars = *run.scalars;
    if (scalars.error != plan::StepError::none) return;
    if (!std::isfinite(*run.floats(loss_))) {
      scalars.error = plan::StepError::non_finite_loss;
      scalars.error_node = node_;
      return;
    }
    if (largest_gradient_ != graph::kNone && !std::isfinite(*run.floats(largest_gradient_))) {
      scalars.error = plan::StepError::non_finite_gradient;
      scalars.error_node = node_;
      return;
    }
    ++scalars.step;
    ++scalars.iterations;
  }

 private:
  graph::NodeId node_;
  graph::ValueId loss_, largest_gradient_;
};

}  // namespace

std::unique_ptr<Kernel> make_advance_kernel(const KernelRequest& request) {
  return std::make_unique<AdvanceKernel>(request);
}

}  // namespace stoker::backend::cpu
