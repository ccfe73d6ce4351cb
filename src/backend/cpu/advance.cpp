// Op advance: decides whether the step counts.
#include <cmath>

#include "backend/cpu/kernel.h"

namespace stoker::backend::cpu {
namespace {

class AdvanceKernel : public Kernel {
 public:
  explicit AdvanceKernel(const KernelRequest& request)
      : node_(request.id),
        growth_steps_(ops::attributes_of<ops::AdvanceAttributes>(request.node).scale_growth_steps),
        loss_(request.node.inputs[0]),
        largest_gradient_(request.node.inputs.size() > 1 ? request.node.inputs[1] : graph::kNone) {}

  void run(const Run& run) override {
    plan::Scalars& scalars = *run.scalars;
    if (scalars.error != plan::StepError::none) return;
    if (!std::isfinite(*run.floats(loss_))) {
      return refuse(scalars, plan::StepError::non_finite_loss);
    }
    const bool is_finite =
        largest_gradient_ == graph::kNone || std::isfinite(*run.floats(largest_gradient_));
    if (!is_finite && (growth_steps_ == 0 || scalars.loss_scale <= plan::kSmallestLossScale)) {
      return refuse(scalars, plan::StepError::non_finite_gradient);
    }
    ++scalars.step;
    if (growth_steps_ > 0) rescale(scalars, is_finite);
    if (is_finite) ++scalars.iterations;
  }

 private:
  void refuse(plan::Scalars& scalars, plan::StepError error) const {
    scalars.error = error;
    scalars.error_node = node_;
  }
  // For the next step; this one's gradients are what the inverse is of.
  void rescale(plan::Scalars& scalars, bool is_finite) const {
    scalars.inverse_loss_scale = 1.0f / scalars.loss_scale;
    scalars.skips_update = is_finite ? 0 : 1;
    if (!is_finite) {
      scalars.loss_scale *= 0.5f;
      scalars.finite_steps = 0;
      ++scalars.skipped_updates;
    } else if (++scalars.finite_steps >= growth_steps_) {
      if (scalars.loss_scale < plan::kLargestLossScale) scalars.loss_scale *= 2.0f;
      scalars.finite_steps = 0;
    }
  }

  graph::NodeId node_;
  std::int32_t growth_steps_;
  graph::ValueId loss_, largest_gradient_;
};

}  // namespace

std::unique_ptr<Kernel> make_advance_kernel(const KernelRequest& request) {
  return std::make_unique<AdvanceKernel>(request);
}

}  // namespace stoker::backend::cpu
