// Ops embedding and embedding_backward.
#include <algorithm>
#include <cstring>

#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/ops/rows.h"
#include "backend/cpu/runtime/parallel.h"

namespace stoker::backend::cpu {
namespace {

class EmbeddingKernel : public Kernel {
 public:
  explicit EmbeddingKernel(const KernelRequest& request)
      : count_(request.input(1).type.shape.elements()),
        entries_(request.input(0).type.shape[0]),
        row_bytes_(static_cast<std::size_t>(request.input(0).type.shape[1]) *
                   size_of(request.input(0).type.dtype)),
        ids_dtype_(request.input(1).type.dtype),
        node_(request.id),
        table_(request.node.inputs[0]),
        ids_(request.node.inputs[1]),
        output_(request.node.outputs[0]) {}

  void run(const Run& run) override {
    const ClassNumbers ids(ids_dtype_, run.values[ids_]);
    const auto* table = static_cast<const std::byte*>(run.values[table_]);
    auto* to = static_cast<std::byte*>(run.values[output_]);
    FirstBadRow bad;
    const auto grain = grain_for(2 * static_cast<std::int64_t>(row_bytes_));
    parallel_for(count_, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        std::byte* row = to + static_cast<std::size_t>(i) * row_bytes_;
        const std::int32_t id = ids[i];
        if (id >= 0 && id < entries_) {
          std::memcpy(row, table + static_cast<std::size_t>(id) * row_bytes_, row_bytes_);
        } else {
          std::memset(row, 0, row_bytes_);
          bad.report(i);
        }
      }
    });
    bad.record(*run.scalars, node_, ids);
  }

 private:
  std::int64_t count_, entries_;
  std::size_t row_bytes_;
  DType ids_dtype_;
  graph::NodeId node_;
  graph::ValueId table_, ids_, output_;
};

// Every task owns a part of the table and looks through all ids: looking is cheap beside adding,
// and each row is summed in the order of the batch however the table was cut.
class EmbeddingBackwardKernel : public Kernel {
 public:
  explicit EmbeddingBackwardKernel(const KernelRequest& request)
      : count_(request.input(1).type.shape.elements()),
        entries_(request.output(0).type.shape[0]),
        columns_(request.output(0).type.shape[1]),
        ids_dtype_(request.input(1).type.dtype),
        dy_(request.node.inputs[0]),
        ids_(request.node.inputs[1]),
        output_(request.node.outputs[0]) {}

  void run(const Run& run) override {
    const ClassNumbers ids(ids_dtype_, run.values[ids_]);
    const float* dy = run.floats(dy_);
    float* table = run.floats(output_);
    parallel_for(entries_, grain(), [&](std::int64_t begin, std::int64_t end) {
      std::fill(table + begin * columns_, table + end * columns_, 0.0f);
      for (std::int64_t i = 0; i < count_; ++i) {
        const std::int32_t id = ids[i];
        if (id < begin || id >= end) continue;
        add_row(dy + i * columns_, table + id * columns_);
      }
    });
  }

 private:
  // The grain counts a row as written once and as read with its share of the gradient.
  std::int64_t grain() const {
    return grain_for(4 * (columns_ + 2 * columns_ * count_ / std::max<std::int64_t>(entries_, 1)));
  }

  // The loop goes in packs of a known size, which the compiler turns into vectors.
  void add_row(const float* __restrict from, float* __restrict to) const {
    constexpr std::int64_t kPack = 8;
    std::int64_t c = 0;
    for (; c + kPack <= columns_; c += kPack) {
      for (std::int64_t k = 0; k < kPack; ++k) to[c + k] += from[c + k];
    }
    for (; c < columns_; ++c) to[c] += from[c];
  }

  std::int64_t count_, entries_, columns_;
  DType ids_dtype_;
  graph::ValueId dy_, ids_, output_;
};

}  // namespace

const CpuOp embedding_on_cpu{&make<EmbeddingKernel>, &never_in_bfloat16};
const CpuOp embedding_backward_on_cpu{&make<EmbeddingBackwardKernel>, &never_in_bfloat16};

}  // namespace stoker::backend::cpu
