// The table of ops.
#include <algorithm>

#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/runtime/dnn.h"

namespace stoker::backend::cpu {

const CpuOp& cpu_op(const graph::Node& node) {
  static constexpr const CpuOp* kOps[] = {
#define STOKER_OP(name) &name##_on_cpu,
#include "ops/ops.def"
#undef STOKER_OP
  };
  return *kOps[node.op->index];
}

bool runs_in_bfloat16(const graph::Graph& graph, const graph::Node& node) {
  const auto is_bfloat16 = [&](graph::ValueId value) {
    return graph.info(value).type.dtype == DType::bfloat16;
  };
  return has_bfloat16_products() && std::ranges::all_of(node.inputs, is_bfloat16) &&
         std::ranges::all_of(node.outputs, is_bfloat16) && cpu_op(node).takes_bfloat16(graph, node);
}

bool takes_tail(const graph::Graph& graph, const graph::Node& node) {
  const CpuOp::TakesTail takes = cpu_op(node).takes_tail;
  return takes != nullptr && takes(graph, node);
}

}  // namespace stoker::backend::cpu
