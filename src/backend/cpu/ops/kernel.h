// The interface of a CPU kernel, which is made once for each node when a plan is compiled, and run
// in every step. Each op (or family of ops) has a file in backend/cpu/ops/; ops.def lists them all.
#pragma once

#include <cstddef>
#include <memory>

#include "graph/graph.h"
#include "ops/ops.h"
#include "plan/scalars.h"

namespace stoker::backend::cpu {

// One run of a program, with the places that its values have in this run.
struct Run {
  void* const* values;  // by ValueId
  plan::Scalars* scalars;
  std::byte* workspace;  // for this kernel alone while it runs

  float* floats(graph::ValueId id) const { return static_cast<float*>(values[id]); }
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  // The executable calls it on a thread inside the compute arena. It allocates nothing and throws
  // nothing.
  virtual void run(const Run& run) = 0;
  // Returns the bytes of scratch memory that run() needs, aligned to 64.
  virtual std::size_t workspace_bytes() const { return 0; }
  // Returns the number of oneDNN primitives that one run executes (each allocates inside the
  // library).
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

// The CPU backend's description of an op, which stands in the op's file. Members without a safe
// default have none, so that whoever adds an op decides.
struct CpuOp {
  using MakeKernel = std::unique_ptr<Kernel> (*)(const KernelRequest& request);
  using TakesBfloat16 = bool (*)(const graph::Graph& graph, const graph::Node& node);

  using TakesTail = bool (*)(const graph::Graph& graph, const graph::Node& node);

  constexpr CpuOp(MakeKernel make, TakesBfloat16 takes, TakesTail tail = nullptr)
      : make_kernel(make), takes_bfloat16(takes), takes_tail(tail) {}

  MakeKernel make_kernel;
  // Returns whether the kernel of a node whose values are all bfloat16 computes on them as they
  // are, even after plan::optimize has moved a bias and relu into the node. plan::widen makes other
  // nodes compute in float32. The function is called only if the processor has the instructions,
  // and not for ops that move values of any type.
  TakesBfloat16 takes_bfloat16;
  // Returns whether the kernel computes the node together with its tail (ops/tail.h). Null means
  // that it takes no tail; plan/ then leaves that arithmetic to pointwise nodes.
  TakesTail takes_tail;
};

inline bool never_in_bfloat16(const graph::Graph& /*graph*/, const graph::Node& /*node*/) {
  return false;
}
// A CpuOp::make_kernel for a kernel that is made from its request alone.
template <class K>
std::unique_ptr<Kernel> make(const KernelRequest& request) {
  return std::make_unique<K>(request);
}

// A description that is missing is a link error.
#define STOKER_OP(name) extern const CpuOp name##_on_cpu;
#include "ops/ops.def"
#undef STOKER_OP

const CpuOp& cpu_op(const graph::Node& node);

// Returns whether the node as it stands computes on bfloat16 on this processor.
bool runs_in_bfloat16(const graph::Graph& graph, const graph::Node& node);
bool takes_tail(const graph::Graph& graph, const graph::Node& node);

}  // namespace stoker::backend::cpu
