// Op split: every outer row of x consists of a block of each part.
#include <cstring>

#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/runtime/parallel.h"

namespace stoker::backend::cpu {
namespace {

class SplitKernel : public Kernel {
 public:
  explicit SplitKernel(const KernelRequest& request) : node_(request.node) {
    const auto axis =
        static_cast<std::size_t>(ops::attributes_of<ops::SplitAttributes>(request.node).axis);
    const graph::ValueType& part = request.output(0).type;
    block_ = size_of(part.dtype);
    for (std::size_t d = 0; d < part.shape.rank(); ++d) {
      if (d < axis) {
        outer_ *= part.shape[d];
      } else {
        block_ *= static_cast<std::size_t>(part.shape[d]);
      }
    }
  }

  void run(const Run& run) override {
    const std::size_t parts = node_.outputs.size();
    const auto* from = static_cast<const std::byte*>(run.values[node_.inputs[0]]);
    const auto rows = outer_ * static_cast<std::int64_t>(parts);
    parallel_for(rows, grain_for(2 * static_cast<std::int64_t>(block_)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end);
                        ++i) {
                     auto* to = static_cast<std::byte*>(run.values[node_.outputs[i % parts]]);
                     std::memcpy(to + i / parts * block_, from + i * block_, block_);
                   }
                 });
  }

 private:
  const graph::Node& node_;
  std::int64_t outer_ = 1;
  std::size_t block_ = 0;  // bytes
};

}  // namespace

const CpuOp split_on_cpu{&make<SplitKernel>, &never_in_bfloat16};

}  // namespace stoker::backend::cpu
