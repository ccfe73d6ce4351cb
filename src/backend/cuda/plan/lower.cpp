// The launches around those of ops, and how they are put together; the files of ops/ make the
// launches of single ops.
#include "backend/cuda/plan/lower.h"

#include <algorithm>
#include <utility>

#include "backend/cuda/frame/ingest.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"
#include "core/align.h"

namespace stoker::backend::cuda {

using graph::Node;
using graph::NodeId;
using graph::Space;
using graph::ValueId;

LaunchPlan Lowering::lower() {
  ingest();
  const auto count = static_cast<NodeId>(graph_.nodes().size());
  for (id_ = 0; id_ < count; ++id_) {
    if (cuda_op(graph_.node(id_)).generate != nullptr) {
      lower_group();
    } else {
      lower_node(graph_.node(id_));
    }
  }
  return std::move(plan_);
}

std::int64_t Lowering::take_counters(int count) {
  const auto offset = static_cast<std::int64_t>(plan_.counter_bytes);
  plan_.counter_bytes += static_cast<std::size_t>(count) * sizeof(std::uint32_t);
  return offset;
}

std::int64_t Lowering::take_workspace(NodeId node, std::size_t bytes) {
  std::size_t& own = plan_.workspace_bytes[static_cast<std::size_t>(node)];
  const std::int64_t offset = aligned(static_cast<std::int64_t>(own));
  own = static_cast<std::size_t>(offset) + bytes;
  return offset;
}

void Lowering::append(What what, std::string name, NodeId first, NodeId last) {
  std::string label = std::move(name);
  for (NodeId i = first; i <= last; ++i) label += "  " + graph_.node(i).origin.text();
  plan_.launches.push_back({std::move(what), first, last, std::move(label)});
}

void Lowering::ingest() {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  for (std::size_t v = 0; v < graph_.value_count(); ++v) {
    const graph::ValueInfo& info = graph_.info(static_cast<ValueId>(v));
    if (info.home.space != Space::input || info.node >= 0) continue;
    const std::int64_t stop =
        info.home.offset +
        info.type.shape.elements() * static_cast<std::int64_t>(size_of(info.type.dtype));
    begin = end == 0 ? info.home.offset : std::min(begin, info.home.offset);
    end = std::max(end, stop);
  }
  constexpr std::int64_t kAccess = 16;
  begin = begin / kAccess * kAccess;
  end = (end + kAccess - 1) / kAccess * kAccess;
  plan_.input_begin = begin;
  plan_.input_end = end;
  const ingest_params params{.begin = begin, .end = end};
  Pack<ingest_params> pack(params);
  pack.point(&ingest_params::ring, Operand::ring())
      .point(&ingest_params::scalars, Operand::scalars())
      .point(&ingest_params::to, Operand::input())
      .point(&ingest_params::counter, Operand::counters(take_counters(1)));
  plan_.launches.push_back(
      {KernelLaunch{&kernel_of(params), grid_of(params), pack.arguments()}, -1, -1, "ingest"});
}

void Lowering::lower_group() {
  const NodeId first = id_;
  id_ = last_of_group_[static_cast<std::size_t>(first)];
  std::vector<NodeId> nodes;
  std::string name;
  for (NodeId i = first; i <= id_; ++i) {
    nodes.push_back(i);
    name += (i == first ? "" : "+") + std::string(graph_.node(i).op->name);
  }
  append(generate(graph_, nodes, *this), std::move(name), first, id_);
}

void Lowering::lower_node(const Node& node) {
  const CudaOp& op = cuda_op(node);
  if (op.spec != nullptr && lower_by_cudnn(*this, node)) return;
  op.lower(*this, node);
}

LaunchPlan lower(const graph::Graph& graph, std::span<const NodeId> last_of_group, DnnCompiler& dnn,
                 const LowerOptions& options) {
  return Lowering(graph, last_of_group, dnn, options).lower();
}

}  // namespace stoker::backend::cuda
