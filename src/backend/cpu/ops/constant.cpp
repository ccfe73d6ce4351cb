// Op constant.
#include <cstring>

#include "backend/cpu/ops/kernel.h"

namespace stoker::backend::cpu {
namespace {

class ConstantKernel : public Kernel {
 public:
  explicit ConstantKernel(const KernelRequest& request)
      : attributes_(request.node.attributes), output_(request.node.outputs[0]) {}

  void run(const Run& run) override {
    const auto& values = static_cast<const ops::ConstantAttributes&>(*attributes_).values;
    std::memcpy(run.floats(output_), values.data(), values.size() * sizeof(float));
  }

 private:
  graph::AttributesPtr attributes_;
  graph::ValueId output_;
};

}  // namespace

const CpuOp constant_on_cpu{&make<ConstantKernel>, &never_in_bfloat16};

}  // namespace stoker::backend::cpu
