// What a CPU kernel is: made once per node when a plan is compiled, run every step. One file an op
// (or a family) in backend/cpu/ops/; ops.def lists them all.
#pragma once

#include <cstddef>
#include <memory>

#include "graph/graph.h"
#include "ops/ops.h"
#include "plan/scalars.h"

namespace stoker::backend::cpu {

// One run of a program, with the places of its values this time.
struct Run {
  void* const* values;  // by ValueId
  plan::Scalars* scalars;
  std::byte* workspace;  // this kernel's own, while it runs

  float* floats(graph::ValueId id) const { return static_cast<float*>(values[id]); }
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  // The executable calls it on a thread inside the compute arena. It allocates nothing and throws
  // nothing.
  virtual void run(const Run& run) = 0;
  // Bytes of scratch memory that run() needs, aligned to 64.
  virtual std::size_t workspace_bytes() const { return 0; }
  // The number of oneDNN primitives that one run executes (each allocates inside the library).
  virtual int primitives() const { return 0; }
};

struct KernelRequest {
  const graph::Graph& graph;
  const graph::Node& node;
  graph::NodeId id;
  int threads;  // concurrency of the arena that it will run in

  const graph::ValueInfo& input(std::size_t i) const { return graph.info(node.inputs[i]); }
  const graph::ValueInfo& output(std::size_t i) const { return graph.info(node.outputs[i]); }
};

// What the CPU backend knows of an op; it stands in the op's file. What has no safe default
// has none: whoever adds an op decides.
struct CpuOp {
  using MakeKernel = std::unique_ptr<Kernel> (*)(const KernelRequest& request);
  using TakesBfloat16 = bool (*)(const graph::Graph& graph, const graph::Node& node);

  using TakesTail = bool (*)(const graph::Graph& graph, const graph::Node& node);

  constexpr CpuOp(MakeKernel make, TakesBfloat16 takes, TakesTail tail = nullptr)
      : make_kernel(make), takes_bfloat16(takes), takes_tail(tail) {}

  MakeKernel make_kernel;
  // Whether the kernel of a node whose values are all bfloat16 computes on them as they are, also
  // with what plan::optimize may move into the node: a bias and relu. plan::widen has the other
  // nodes compute in float32. Asked only where the processor has the instructions; an op that moves
  // values of any type is not asked.
  TakesBfloat16 takes_bfloat16;
  // Whether the node is computed with the tail that it has (ops/tail.h); null: none, and plan/
  // leaves that arithmetic to pointwise nodes.
  TakesTail takes_tail;
};

inline bool never_in_bfloat16(const graph::Graph& /*graph*/, const graph::Node& /*node*/) {
  return false;
}
// CpuOp::make_kernel of a kernel that is made from its request alone.
template <class K>
std::unique_ptr<Kernel> make(const KernelRequest& request) {
  return std::make_unique<K>(request);
}

// A description that is missing is a link error.
#define STOKER_OP(name) extern const CpuOp name##_on_cpu;
#include "ops/ops.def"
#undef STOKER_OP

const CpuOp& cpu_op(const graph::Node& node);

// Whether the node as it stands computes on bfloat16 on this processor.
bool runs_in_bfloat16(const graph::Graph& graph, const graph::Node& node);
bool takes_tail(const graph::Graph& graph, const graph::Node& node);

}  // namespace stoker::backend::cpu
