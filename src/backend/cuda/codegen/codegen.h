// Kernels made from expressions: the ops pointwise and reduce as CUDA C++ source, which NVRTC
// compiles, and which g++ compiles for tests that run the same text on the CPU.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "backend/cuda/plan/launch_plan.h"
#include "graph/graph.h"

namespace stoker::backend::cuda {

// Returns the text that must precede every generated source; it includes device_headers().
const std::string& generated_prelude();

// The resources that a launch takes from its plan while it is generated.
class Resources {
 public:
  virtual ~Resources() = default;
  // Reserves counters of 4 bytes each, and returns their byte offset for Operand::counters.
  virtual std::int64_t take_counters(int count) = 0;
  // Reserves scratch memory of `node`, aligned to 256, and returns its byte offset for
  // Operand::workspace.
  virtual std::int64_t take_workspace(graph::NodeId node, std::size_t bytes) = 0;
};

// Generates one launch that does the work of all `nodes`, each of which takes a range of the
// blocks. Their ops are pointwise and reduce, and none of them reads or overwrites what another one
// writes.
// A launch of a kernel whose source is text(name). The name follows from the source.
GeneratedLaunch named_launch(const std::function<std::string(const std::string& name)>& text,
                             Grid grid, Arguments arguments);

GeneratedLaunch generate(const graph::Graph& graph, std::span<const graph::NodeId> nodes,
                         Resources& resources);

}  // namespace stoker::backend::cuda
