// Op pointwise: a tile program over the whole shape, or over parts of flat buffers.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <vector>

#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/runtime/parallel.h"
#include "backend/cpu/runtime/tile_program.h"

namespace stoker::backend::cpu {
namespace {

constexpr auto kFloatBytes = static_cast<std::int64_t>(sizeof(float));

std::vector<TileOperand> operands(const graph::Graph& graph,
                                  const std::vector<graph::ValueId>& values) {
  std::vector<TileOperand> result;
  for (const graph::ValueId id : values) {
    const graph::ValueInfo& info = graph.info(id);
    result.push_back({.value = id, .dtype = info.type.dtype, .shape = info.type.shape});
  }
  return result;
}

class PointwiseKernel : public Kernel {
 public:
  PointwiseKernel(const KernelRequest& request, const ops::PointwiseAttributes& attributes)
      : program_(
            attributes.expression, operands(request.graph, request.node.inputs),
            operands(request.graph, request.node.outputs), request.output(0).type.shape,
            [&](std::size_t input, std::size_t output) {
              return homes_may_overlap(request.input(input), request.output(output));
            },
            attributes.keeps_finite),
        first_place_(plan::overflow_at(request.output(0).home.space == graph::Space::state,
                                       request.output(0).home.offset / kFloatBytes)),
        guard_(attributes.guard),
        ranges_(attributes.ranges) {
    if (ranges_.empty()) ranges_.push_back({.offset = 0, .count = program_.elements()});
    for (const ops::Range& range : ranges_) {
      starts_.push_back(total_);
      total_ += range.count;
    }
    const std::int64_t tile = program_.tile();
    grain_ = (grain_for(program_.bytes_per_element()) + tile - 1) / tile * tile;
  }

  void run(const Run& run) override {
    if (guard_ != ops::Guard::none && run.scalars->error != plan::StepError::none) return;
    if (guard_ == ops::Guard::update && run.scalars->skips_update != 0) return;
    const TileArguments arguments{.values = run.values,
                                  .result = nullptr,
                                  .range_value = 0.0f,
                                  .step = run.scalars->step,
                                  .seed = run.scalars->seed,
                                  .first_overflow = nullptr};
    parallel_for(total_, grain_, [&](std::int64_t begin, std::int64_t end) {
      std::int64_t overflow = plan::kNoOverflow;
      evaluate(arguments, begin, end, overflow);
      if (overflow != plan::kNoOverflow) note_overflow(*run.scalars, overflow);
    });
  }

 private:
  // Evaluates elements [begin, end), counted through all ranges.
  void evaluate(TileArguments arguments, std::int64_t begin, std::int64_t end,
                std::int64_t& first_overflow) const {
    arguments.first_overflow = &first_overflow;
    const auto after = std::upper_bound(starts_.begin(), starts_.end(), begin);
    for (auto i = static_cast<std::size_t>(after - starts_.begin()) - 1; begin < end; ++i) {
      const ops::Range& range = ranges_[i];
      const std::int64_t stop = std::min(end, starts_[i] + range.count);
      const std::int64_t shift = range.offset - starts_[i];
      arguments.range_value = range.value;
      program_.evaluate(arguments, begin + shift, stop + shift);
      begin = stop;
    }
  }

  // Several threads may each have found an overflow; the smallest place is kept.
  void note_overflow(plan::Scalars& scalars, std::int64_t element) const {
    const std::int64_t found = first_place_ + element;
    const std::atomic_ref<std::int64_t> first(scalars.overflow);
    std::int64_t noted = first.load(std::memory_order_relaxed);
    while (found < noted && !first.compare_exchange_weak(noted, found)) {
    }
  }

  TileProgram program_;
  std::int64_t first_place_;  // the place of its first element in plan::Scalars::overflow
  ops::Guard guard_;
  std::vector<ops::Range> ranges_;
  std::vector<std::int64_t> starts_;  // the first element of each range, counted through all ranges
  std::int64_t total_ = 0;
  std::int64_t grain_ = 1;
};

std::unique_ptr<Kernel> make_pointwise(const KernelRequest& request) {
  return std::make_unique<PointwiseKernel>(
      request, ops::attributes_of<ops::PointwiseAttributes>(request.node));
}

}  // namespace

const CpuOp pointwise_on_cpu{&make_pointwise, &never_in_bfloat16};

}  // namespace stoker::backend::cpu
