// Memory by lifetime: a value takes the first gap in the arena that fits when it is made, and gives
// it back after its last reader. Done once per plan, so the steps allocate nothing.
#include <algorithm>
#include <map>

#include "ops/ops.h"
#include "plan/program.h"
#include "plan/uses.h"

namespace stoker::plan {

using graph::Graph;
using graph::Node;
using graph::Space;
using graph::ValueId;

namespace {

std::int64_t aligned(std::int64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// Gaps and blocks of the arena while the program is walked through.
class Arena {
 public:
  std::int64_t take(std::int64_t bytes) {
    bytes = aligned(std::max<std::int64_t>(bytes, 1));
    for (auto gap = gaps_.begin(); gap != gaps_.end(); ++gap) {
      if (gap->second < bytes) continue;
      const auto [offset, size] = *gap;
      gaps_.erase(gap);
      if (size > bytes) gaps_.emplace(offset + bytes, size - bytes);
      return offset;
    }
    // A gap at the end grows; otherwise the block stands behind everything.
    std::int64_t offset = end_;
    if (!gaps_.empty()) {
      const auto last = std::prev(gaps_.end());
      if (last->first + last->second == end_) {
        offset = last->first;
        gaps_.erase(last);
      }
    }
    end_ = offset + bytes;
    return offset;
  }

  void give_back(std::int64_t offset, std::int64_t bytes) {
    bytes = aligned(std::max<std::int64_t>(bytes, 1));
    auto gap = gaps_.emplace(offset, bytes).first;
    const auto next = std::next(gap);
    if (next != gaps_.end() && gap->first + gap->second == next->first) {
      gap->second += next->second;
      gaps_.erase(next);
    }
    if (gap != gaps_.begin()) {
      const auto previous = std::prev(gap);
      if (previous->first + previous->second == gap->first) {
        previous->second += gap->second;
        gaps_.erase(gap);
      }
    }
  }

  std::int64_t end() const { return end_; }

 private:
  std::map<std::int64_t, std::int64_t> gaps_;  // offset -> bytes
  std::int64_t end_ = 0;
};

bool is_reshape(const Node& node) {
  return node.op->index == static_cast<int>(ops::OpIndex::reshape);
}
bool is_pointwise(const Node& node) {
  return node.op->index == static_cast<int>(ops::OpIndex::pointwise);
}

std::int64_t bytes_of(const Graph& graph, ValueId value) {
  const auto& type = graph.info(value).type;
  return type.shape.elements() * static_cast<std::int64_t>(size_of(type.dtype));
}

}  // namespace

Program lay_out(std::unique_ptr<Graph> owned, const std::vector<ValueId>& keep,
                const std::function<std::size_t(graph::NodeId)>& workspace_bytes) {
  Graph& graph = *owned;
  auto& nodes = graph.nodes();
  const std::size_t values = graph.value_count();

  // A reshape's output is its input: root[v] owns the memory. A view of what lies outside of the
  // arena lies there too. (A reshape whose output is placed elsewhere is a copy.)
  std::vector<ValueId> root(values);
  for (std::size_t v = 0; v < values; ++v) root[v] = static_cast<ValueId>(v);
  for (const Node& node : nodes) {
    if (!is_reshape(node)) continue;
    const ValueId output = node.outputs[0];
    if (graph.info(output).home.space != Space::arena) continue;
    root[static_cast<std::size_t>(output)] = root[static_cast<std::size_t>(node.inputs[0])];
    graph.info(output).home = graph.info(node.inputs[0]).home;
  }

  const auto node_count = static_cast<graph::NodeId>(nodes.size());
  std::vector<graph::NodeId> last_use(values, -1);
  for (graph::NodeId i = 0; i < node_count; ++i) {
    for (const auto input : graph.node(i).inputs) {
      last_use[static_cast<std::size_t>(root[static_cast<std::size_t>(input)])] = i;
    }
  }
  for (const auto value : keep) {
    last_use[static_cast<std::size_t>(root[static_cast<std::size_t>(value)])] = node_count;
  }

  Program program;
  program.offsets.assign(values, 0);
  program.workspaces.assign(nodes.size(), 0);
  Arena arena;
  const auto in_arena = [&](ValueId value) { return graph.info(value).home.space == Space::arena; };
  std::vector<bool> taken_over(values, false);
  for (graph::NodeId i = 0; i < node_count; ++i) {
    const Node& node = graph.node(i);
    const auto dies_here = [&](ValueId value) {
      return in_arena(value) && last_use[static_cast<std::size_t>(value)] == i;
    };
    for (const auto output : node.outputs) {
      const auto v = static_cast<std::size_t>(output);
      if (root[v] != output || !in_arena(output)) continue;
      // Pointwise work may overwrite an operand that nobody needs afterwards.
      ValueId donor = graph::kNone;
      if (is_pointwise(node)) {
        for (const auto input : node.inputs) {
          const ValueId owner = root[static_cast<std::size_t>(input)];
          if (dies_here(owner) && !taken_over[static_cast<std::size_t>(owner)] &&
              graph.info(owner).node >= 0 &&
              graph.info(input).type.dtype == graph.info(output).type.dtype &&
              graph.info(input).type.shape == graph.info(output).type.shape) {
            donor = owner;
            break;
          }
        }
      }
      if (donor != graph::kNone) {
        taken_over[static_cast<std::size_t>(donor)] = true;
        program.offsets[v] = program.offsets[static_cast<std::size_t>(donor)];
      } else {
        program.offsets[v] = arena.take(bytes_of(graph, output));
      }
    }
    const auto scratch = static_cast<std::int64_t>(workspace_bytes(i));
    if (scratch > 0) {
      program.workspaces[static_cast<std::size_t>(i)] = arena.take(scratch);
      arena.give_back(program.workspaces[static_cast<std::size_t>(i)], scratch);
    }
    std::vector<ValueId> finished;
    const auto finish = [&](ValueId value) {
      const ValueId owner = root[static_cast<std::size_t>(value)];
      if (graph.info(owner).node < 0 || !in_arena(owner)) return;
      if (last_use[static_cast<std::size_t>(owner)] > i) return;
      if (taken_over[static_cast<std::size_t>(owner)]) return;
      if (!contains(finished, owner)) finished.push_back(owner);
    };
    for (const auto input : node.inputs) finish(input);
    for (const auto output : node.outputs) finish(output);  // an output that nobody reads
    for (const auto owner : finished) {
      arena.give_back(program.offsets[static_cast<std::size_t>(owner)], bytes_of(graph, owner));
      last_use[static_cast<std::size_t>(owner)] = node_count + 1;  // given back once
    }
  }
  program.arena_bytes = arena.end();

  for (std::size_t v = 0; v < values; ++v) {
    const auto owner = static_cast<std::size_t>(root[v]);
    const auto& home = graph.info(static_cast<ValueId>(owner)).home;
    program.offsets[v] = home.space == Space::arena ? program.offsets[owner] : home.offset;
  }
  program.graph = std::move(owned);
  return program;
}

}  // namespace stoker::plan
