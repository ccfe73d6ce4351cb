// Op user_kernel.
#include <algorithm>
#include <atomic>
#include <limits>
#include <span>
#include <vector>

#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/runtime/parallel.h"

namespace stoker::backend::cpu {
namespace {

// What an item costs is not known, so a thread is woken for a few hundred of them.
constexpr std::int64_t kBytesPerItem = 256;

class UserKernelKernel : public Kernel {
 public:
  explicit UserKernelKernel(const KernelRequest& request)
      : kernel_(ops::attributes_of<ops::UserKernelAttributes>(request.node).kernel),
        items_(ops::attributes_of<ops::UserKernelAttributes>(request.node).items),
        node_(request.node) {
    const auto size = [&](graph::ValueId id) {
      return static_cast<std::size_t>(request.graph.info(id).type.shape.elements());
    };
    for (const graph::ValueId input : node_.inputs) input_sizes_.push_back(size(input));
    for (const graph::ValueId output : node_.outputs) output_sizes_.push_back(size(output));
    inputs_.resize(input_sizes_.size());
    outputs_.resize(output_sizes_.size());
  }

  void run(const Run& run) override {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      inputs_[i] = {run.floats(node_.inputs[i]), input_sizes_[i]};
    }
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      outputs_[i] = {run.floats(node_.outputs[i]), output_sizes_[i]};
    }
    parallel_for(items_, grain_for(kBytesPerItem), [&](std::int64_t begin, std::int64_t end) {
      // A step's kernels may not throw; NaN ends the step as soon as it reaches the loss.
      try {
        kernel_->cpu(inputs_, outputs_, begin, end);
      } catch (...) {
        has_thrown_ = true;
      }
    });
    if (!has_thrown_) return;
    has_thrown_ = false;
    for (const std::span<float> output : outputs_) {
      std::ranges::fill(output, std::numeric_limits<float>::quiet_NaN());
    }
  }

 private:
  const std::shared_ptr<const ops::UserKernel> kernel_;
  const std::int64_t items_;
  const graph::Node node_;
  std::vector<std::size_t> input_sizes_, output_sizes_;
  std::vector<std::span<const float>> inputs_;
  std::vector<std::span<float>> outputs_;
  std::atomic<bool> has_thrown_ = false;
};

}  // namespace

const CpuOp user_kernel_on_cpu{&make<UserKernelKernel>, &never_in_bfloat16};

}  // namespace stoker::backend::cpu
