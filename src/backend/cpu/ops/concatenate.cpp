// Op concatenate: every outer row of the result consists of a block of each input.
#include <cstring>

#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/runtime/parallel.h"

namespace stoker::backend::cpu {
namespace {

class ConcatenateKernel : public Kernel {
 public:
  explicit ConcatenateKernel(const KernelRequest& request) : output_(request.node.outputs[0]) {
    const auto axis =
        static_cast<std::size_t>(ops::attributes_of<ops::ConcatenateAttributes>(request.node).axis);
    for (std::size_t i = 0; i < request.node.inputs.size(); ++i) {
      const graph::ValueType& type = request.input(i).type;
      std::size_t bytes = size_of(type.dtype);
      for (std::size_t d = axis; d < type.shape.rank(); ++d) {
        bytes *= static_cast<std::size_t>(type.shape[d]);
      }
      blocks_.push_back({request.node.inputs[i], row_, bytes});
      row_ += bytes;
    }
    const Shape& shape = request.output(0).type.shape;
    for (std::size_t d = 0; d < axis; ++d) outer_ *= shape[d];
  }

  void run(const Run& run) override {
    auto* to = static_cast<std::byte*>(run.values[output_]);
    const auto grain = grain_for(2 * static_cast<std::int64_t>(row_));
    parallel_for(outer_, grain, [&](std::int64_t begin, std::int64_t end) {
      for (const Block& block : blocks_) {
        const auto* from = static_cast<const std::byte*>(run.values[block.input]);
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
          std::memcpy(to + i * row_ + block.offset, from + i * block.bytes, block.bytes);
        }
      }
    });
  }

 private:
  // The place of an input in a row of the result.
  struct Block {
    graph::ValueId input;
    std::size_t offset, bytes;
  };
  std::vector<Block> blocks_;
  std::int64_t outer_ = 1;
  std::size_t row_ = 0;
  graph::ValueId output_;
};

}  // namespace

const CpuOp concatenate_on_cpu{&make<ConcatenateKernel>, &never_in_bfloat16};

}  // namespace stoker::backend::cpu
