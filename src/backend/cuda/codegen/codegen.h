// Kernels made from expressions: ops pointwise and reduce as CUDA C++ source, for NVRTC, and for
// g++ where tests run the same text on the CPU.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "backend/cuda/plan/launch_plan.h"
#include "graph/graph.h"

namespace stoker::backend::cuda {

// What every generated source needs before it: it includes device_headers().
const std::string& generated_prelude();

// What a launch takes from its plan while it is generated.
class Resources {
 public:
  virtual ~Resources() = default;
  // Counters of 4 bytes each: a byte offset for Operand::counters.
  virtual std::int64_t take_counters(int count) = 0;
  // Scratch memory of `node`, aligned to 256: a byte offset for Operand::workspace.
  virtual std::int64_t take_workspace(graph::NodeId node, std::size_t bytes) = 0;
};

// One launch that does the work of all `nodes`: each takes a range of the blocks. They are ops
// pointwise and reduce, and none reads or overwrites what another one writes.
GeneratedLaunch generate(const graph::Graph& graph, std::span<const graph::NodeId> nodes,
                         Resources& resources);

}  // namespace stoker::backend::cuda
