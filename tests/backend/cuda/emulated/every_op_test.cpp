// What the passes believe of every op, against the launches that it becomes.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "backend/cuda/plan/planned_step.h"
#include "ops/cases.h"

namespace stoker::backend::cuda {
namespace {

class AcceptsAll final : public DnnCompiler {
 public:
  std::optional<std::size_t> workspace_of(const DnnSpec&) override { return 0; }
};

// One of our kernels that is given the scalars writes them; generated ones only read.
bool may_write_scalars(const Launch& launch) {
  const auto* own = std::get_if<KernelLaunch>(&launch.what);
  if (own == nullptr) return false;
  const auto& pointers = own->arguments.pointers;
  return std::any_of(pointers.begin(), pointers.end(), [](const Arguments::Pointer& pointer) {
    return pointer.to.place == Operand::Place::scalars;
  });
}

TEST(EveryOp, whose_kernel_gets_the_scalars_says_that_it_writes_them) {
  AcceptsAll dnn;
  for (const auto& [name, list] : cases::all_cases()) {
    for (const auto& c : list()) {
      auto graph = std::make_unique<graph::Graph>();
      std::vector<graph::Value> leaves;
      std::int64_t offset = 0;
      for (const auto& input : c.inputs) {
        leaves.push_back(
            graph->leaf("x", {input.dtype, input.shape}, {graph::Space::input, 0, offset}));
        offset += (input.shape.elements() * 4 + 255) / 256 * 256;
      }
      std::vector<graph::ValueId> keep;
      for (const graph::Value& value : c.build(*graph, leaves)) keep.push_back(value.id);
      const PlannedStep step = plan_step(std::move(graph), keep, {.optimize = false}, dnn);
      for (const Launch& launch : step.plan.launches) {
        if (launch.first < 0) continue;  // ingest, which is no node's
        const graph::Op& op = *step.program.graph->node(launch.last).op;
        // Rows of class values have no error to record.
        // Attention only reads the seed and the step, for its dropout; its pointer is to const.
        const bool reads_only = std::string_view(op.name).starts_with("attention");
        if (may_write_scalars(launch) && !reads_only) {
          EXPECT_TRUE(op.traits.writes_scalars) << op.name << ": " << c.name;
        }
      }
    }
  }
}

}  // namespace
}  // namespace stoker::backend::cuda
