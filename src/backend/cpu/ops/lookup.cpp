// Ops lookup and cross_hash.
#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/ops/rows.h"
#include "backend/cpu/runtime/parallel.h"

namespace stoker::backend::cpu {
namespace {

class LookupKernel : public Kernel {
 public:
  explicit LookupKernel(const KernelRequest& request)
      : unknown_(ops::attributes_of<ops::LookupAttributes>(request.node).unknown),
        count_(request.input(0).type.shape.elements()),
        node_(request.id),
        input_(request.node.inputs[0]),
        output_(request.node.outputs[0]) {
    if (request.node.inputs.size() < 2) return;
    table_ = request.node.inputs[1];
    entries_ = static_cast<std::int32_t>(request.input(1).type.shape[1]);
  }

  void run(const Run& run) override {
    const auto* numbers = static_cast<const std::int32_t*>(run.values[input_]);
    auto* to = static_cast<std::int32_t*>(run.values[output_]);
    const float* table = entries_ == 0 ? nullptr : run.floats(table_);
    FirstBadRow bad;
    parallel_for(count_, grain_for(kCost), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int32_t place = place_in_table(table, entries_, numbers[i]);
        if (place >= 0) {
          to[i] = value_in_table(table, entries_, place);
        } else if (unknown_.buckets > 0) {
          to[i] = bucket_of(numbers[i], unknown_);
        } else {
          to[i] = 0;
          bad.report(i);
        }
      }
    });
    bad.record(*run.scalars, node_, numbers);
  }

 private:
  static constexpr std::int64_t kCost = 256;  // bytes that could be moved instead of one lookup

  UnknownNumbers unknown_;
  std::int64_t count_;
  std::int32_t entries_ = 0;
  graph::NodeId node_;
  graph::ValueId input_, output_;
  graph::ValueId table_ = 0;
};

class CrossHashKernel : public Kernel {
 public:
  explicit CrossHashKernel(const KernelRequest& request)
      : rows_(request.input(0).type.shape),
        buckets_(ops::attributes_of<ops::CrossHashAttributes>(request.node).buckets),
        input_(request.node.inputs[0]),
        output_(request.node.outputs[0]) {}

  void run(const Run& run) override {
    const auto* numbers = static_cast<const std::int32_t*>(run.values[input_]);
    auto* to = static_cast<std::int32_t*>(run.values[output_]);
    parallel_for(rows_.count, grain_for(16 * rows_.columns),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row) {
                     to[row] = crossed(numbers + row * rows_.columns, rows_.columns, buckets_);
                   }
                 });
  }

 private:
  Rows rows_;
  std::int32_t buckets_;
  graph::ValueId input_, output_;
};

}  // namespace

const CpuOp lookup_on_cpu{&make<LookupKernel>, &never_in_bfloat16};
const CpuOp cross_hash_on_cpu{&make<CrossHashKernel>, &never_in_bfloat16};

}  // namespace stoker::backend::cpu
