// A program is one step (training, evaluation or prediction) for one set of input shapes: its nodes
// in order, with a place in memory for every value. A backend makes it executable.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "plan/target.h"

namespace stoker::plan {

struct Program {
  std::unique_ptr<graph::Graph> graph;
  // The byte offset of each value in its space, by ValueId. Values that no node uses stay at 0.
  std::vector<std::int64_t> offsets;
  // The byte offset of each kernel's workspace in the arena, by NodeId.
  std::vector<std::int64_t> workspaces;
  // The bytes of the arena blocks that begin at each node, by NodeId, for its outputs and its
  // workspace. Blocks that live at different times share places, so their sum is more than the
  // arena.
  std::vector<std::int64_t> block_bytes;
  std::int64_t arena_bytes = 0;
};

// Runs the passes in place. `keep` are values that are read after the step (predictions). Every
// graph, optimized or not, has to go through widen() (plan/passes.h) before.
void optimize(graph::Graph& graph, std::span<const graph::ValueId> keep, const Target& target);

// Lays out the arena by lifetime. `workspace_bytes` says how much scratch memory a node's kernel
// needs. Values in `keep` live to the end. `last_of_group` gives for every node the last of the
// consecutive nodes that run at the same time as it; when it is empty, each node runs alone.
Program lay_out(std::unique_ptr<graph::Graph> graph, const std::vector<graph::ValueId>& keep,
                const std::function<std::size_t(graph::NodeId)>& workspace_bytes,
                const std::vector<graph::NodeId>& last_of_group = {});

}  // namespace stoker::plan
