// Op advance: decides whether the step counts.
#include <cmath>

#include "backend/cpu/ops/kernel.h"
#include "plan/advance_scalars.h"

namespace stoker::backend::cpu {
namespace {

std::int32_t growth_steps_of(const graph::Node& node) {
  const auto& attributes = ops::attributes_of<ops::AdvanceAttributes>(node);
  return attributes.counts ? attributes.scale_growth_steps : plan::kCountsNothing;
}

class AdvanceKernel : public Kernel {
 public:
  explicit AdvanceKernel(const KernelRequest& request)
      : node_(request.id),
        growth_steps_(growth_steps_of(request.node)),
        loss_(request.node.inputs[0]),
        largest_gradient_(request.node.inputs.size() > 1 ? request.node.inputs[1] : graph::kNone) {}

  void run(const Run& run) override {
    const bool is_gradient_finite =
        largest_gradient_ == graph::kNone || std::isfinite(*run.floats(largest_gradient_));
    plan::advance_scalars(*run.scalars, std::isfinite(*run.floats(loss_)), is_gradient_finite,
                          growth_steps_, node_);
  }

 private:
  graph::NodeId node_;
  std::int32_t growth_steps_;
  graph::ValueId loss_, largest_gradient_;
};

}  // namespace

const CpuOp advance_on_cpu{&make<AdvanceKernel>, &never_in_bfloat16};

}  // namespace stoker::backend::cpu
