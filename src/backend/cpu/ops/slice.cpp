// Ops slice and slice_backward: the slice is a block of every outer row of the whole.
#include <cstring>

#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/runtime/parallel.h"

namespace stoker::backend::cpu {
namespace {

// The slice's place in the whole tensor, which has `outer` rows of `row` bytes. In each of them
// `block` bytes from `offset` on belong to the slice.
struct Layout {
  std::int64_t outer = 1;
  std::size_t row = 0, offset = 0, block = 0;

  Layout(const graph::ValueType& whole, const ops::SliceAttributes& attributes) {
    const auto axis = static_cast<std::size_t>(attributes.axis);
    std::size_t inner = size_of(whole.dtype);
    for (std::size_t i = 0; i < whole.shape.rank(); ++i) {
      if (i < axis) outer *= whole.shape[i];
      if (i > axis) inner *= static_cast<std::size_t>(whole.shape[i]);
    }
    row = static_cast<std::size_t>(whole.shape[axis]) * inner;
    offset = static_cast<std::size_t>(attributes.begin) * inner;
    block = static_cast<std::size_t>(attributes.extent) * inner;
  }
};

class SliceKernel : public Kernel {
 public:
  explicit SliceKernel(const KernelRequest& request)
      : layout_(request.input(0).type, ops::attributes_of<ops::SliceAttributes>(request.node)),
        input_(request.node.inputs[0]),
        output_(request.node.outputs[0]) {}

  void run(const Run& run) override {
    const auto* from = static_cast<const std::byte*>(run.values[input_]);
    auto* to = static_cast<std::byte*>(run.values[output_]);
    const Layout& layout = layout_;
    const auto grain = grain_for(2 * static_cast<std::int64_t>(layout.block));
    parallel_for(layout.outer, grain, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
        std::memcpy(to + i * layout.block, from + i * layout.row + layout.offset, layout.block);
      }
    });
  }

 private:
  Layout layout_;
  graph::ValueId input_, output_;
};

class SliceBackwardKernel : public Kernel {
 public:
  explicit SliceBackwardKernel(const KernelRequest& request)
      : layout_(request.output(0).type, ops::attributes_of<ops::SliceAttributes>(request.node)),
        input_(request.node.inputs[0]),
        output_(request.node.outputs[0]) {}

  void run(const Run& run) override {
    const auto* from = static_cast<const std::byte*>(run.values[input_]);
    auto* to = static_cast<std::byte*>(run.values[output_]);
    const Layout& layout = layout_;
    const auto grain = grain_for(static_cast<std::int64_t>(layout.row + layout.block));
    parallel_for(layout.outer, grain, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
        std::byte* row = to + i * layout.row;
        const std::size_t after = layout.offset + layout.block;
        std::memset(row, 0, layout.offset);
        std::memcpy(row + layout.offset, from + i * layout.block, layout.block);
        std::memset(row + after, 0, layout.row - after);
      }
    });
  }

 private:
  Layout layout_;
  graph::ValueId input_, output_;
};

}  // namespace

const CpuOp slice_on_cpu{&make<SliceKernel>, &never_in_bfloat16};
const CpuOp slice_backward_on_cpu{&make<SliceBackwardKernel>, &never_in_bfloat16};

}  // namespace stoker::backend::cpu
