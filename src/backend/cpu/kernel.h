// What a CPU kernel is: made once per node when a plan is compiled, run every step. One file an op
// (or a family) in backend/cpu/ops/; ops.def lists them all.
#pragma once

#include <cstddef>
#include <memory>

#include "graph/graph.h"
#include "ops/ops.h"
#include "plan/scalars.h"

namespace stoker::backend::cpu {

// One run of a program: where its values are this time.
struct Run {
  void* const* values;  // by ValueId
  plan::Scalars* scalars;
  std::byte* workspace;  // this kernel's own, while it runs

  float* floats(graph::ValueId id) const { return static_cast<float*>(values[id]); }
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  // Called on a thread inside the compute arena. Allocates nothing, throws nothing.
  virtual void run(const Run& run) = 0;
  // Bytes of scratch memory that run() needs, aligned to 64.
  virtual std::size_t workspace_bytes() const { return 0; }
  // How many oneDNN primitives one run executes (each allocates inside the library).
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

#define STOKER_OP(name) std::unique_ptr<Kernel> make_##name##_kernel(const KernelRequest& request);
#include "ops/ops.def"
#undef STOKER_OP

}  // namespace stoker::backend::cpu
