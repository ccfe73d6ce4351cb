// Memory is laid out by lifetime: values that do not live at the same time share places in the
// arena. The layout is made once per plan, so the steps allocate nothing.
#include <algorithm>

#include "core/align.h"
#include "plan/program.h"
#include "plan/uses.h"

namespace stoker::plan {

using graph::Graph;
using graph::Node;
using graph::Space;
using graph::ValueId;

namespace {

// A block is memory that must not be shared with anything alive at the same time.
struct Block {
  std::int64_t bytes = 0;
  graph::NodeId first = 0;  // The block lives from the first node to the last, both included.
  graph::NodeId last = 0;
  std::int64_t offset = 0;
  graph::NodeId taken_over = -1;  // The last node whose output took the block over.
};

bool live_together(const Block& a, const Block& b) {
  return a.first <= b.last && b.first <= a.last;
}

// Places the largest block first, each at the lowest offset where no block that lives at the same
// time is in the way. Returns the size of the arena.
std::int64_t place(std::vector<Block>& blocks) {
  std::vector<Block*> order;
  for (Block& block : blocks) order.push_back(&block);
  std::stable_sort(order.begin(), order.end(),
                   [](const Block* a, const Block* b) { return a->bytes > b->bytes; });
  std::int64_t end = 0;
  std::vector<const Block*> placed;  // Sorted by offset.
  for (Block* block : order) {
    std::int64_t offset = 0;
    for (const Block* other : placed) {
      if (!live_together(*block, *other)) continue;
      if (offset + block->bytes <= other->offset) break;
      offset = std::max(offset, other->offset + other->bytes);
    }
    block->offset = offset;
    end = std::max(end, offset + block->bytes);
    const auto behind =
        std::upper_bound(placed.begin(), placed.end(), block,
                         [](const Block* a, const Block* b) { return a->offset < b->offset; });
    placed.insert(behind, block);
  }
  return end;
}

std::int64_t bytes_of(const Graph& graph, ValueId value) {
  const auto& type = graph.info(value).type;
  return type.shape.elements() * static_cast<std::int64_t>(size_of(type.dtype));
}

}  // namespace

Program lay_out(std::unique_ptr<Graph> owned, const std::vector<ValueId>& keep,
                const std::function<std::size_t(graph::NodeId)>& workspace_bytes,
                const std::vector<graph::NodeId>& last_of_group) {
  Graph& graph = *owned;
  auto& nodes = graph.nodes();
  const std::size_t values = graph.value_count();

  // A view's output is its input, so root[v] is the value that owns the memory of v. A view of a
  // value outside of the arena lies there too. A view whose output has a place of its own is a
  // copy.
  std::vector<ValueId> root(values);
  for (std::size_t v = 0; v < values; ++v) root[v] = static_cast<ValueId>(v);
  for (const Node& node : nodes) {
    if (!node.op->traits.is_view) continue;
    const ValueId output = node.outputs[0];
    if (graph.info(output).home.space != Space::arena) continue;
    root[static_cast<std::size_t>(output)] = root[static_cast<std::size_t>(node.inputs[0])];
    graph.info(output).home = graph.info(node.inputs[0]).home;
  }

  const auto node_count = static_cast<graph::NodeId>(nodes.size());
  // Nodes that run at the same time are treated as beginning and ending together.
  const auto group_end = [&](graph::NodeId i) {
    return last_of_group.empty() ? i : last_of_group[static_cast<std::size_t>(i)];
  };
  std::vector<graph::NodeId> group_begin(nodes.size());
  for (graph::NodeId i = 0; i < node_count; ++i) {
    const bool joins = i > 0 && group_end(i - 1) >= i;
    group_begin[static_cast<std::size_t>(i)] =
        joins ? group_begin[static_cast<std::size_t>(i - 1)] : i;
  }

  std::vector<graph::NodeId> last_use(values, -1);
  for (graph::NodeId i = 0; i < node_count; ++i) {
    for (const auto input : graph.node(i).inputs) {
      last_use[static_cast<std::size_t>(root[static_cast<std::size_t>(input)])] = group_end(i);
    }
  }
  for (const auto value : keep) {
    last_use[static_cast<std::size_t>(root[static_cast<std::size_t>(value)])] = node_count;
  }

  // A node that works in place may overwrite an operand that no later node needs. Both values then
  // share one block.
  constexpr std::size_t kNoBlock = static_cast<std::size_t>(-1);
  const auto in_arena = [&](ValueId value) { return graph.info(value).home.space == Space::arena; };
  std::vector<Block> blocks;
  std::vector<std::size_t> block_of(values, kNoBlock);
  std::vector<std::size_t> workspace_of(nodes.size(), kNoBlock);
  std::vector<std::int64_t> block_bytes(nodes.size(), 0);
  const auto add_block = [&](graph::NodeId i, std::int64_t bytes, graph::NodeId last) {
    blocks.push_back({.bytes = aligned(std::max<std::int64_t>(bytes, 1)),
                      .first = group_begin[static_cast<std::size_t>(i)],
                      .last = last});
    block_bytes[static_cast<std::size_t>(i)] += blocks.back().bytes;
  };
  const auto find_donor = [&](graph::NodeId i, ValueId output) {
    const bool alone = group_begin[static_cast<std::size_t>(i)] == group_end(i);
    if (!alone || !graph.node(i).op->traits.works_in_place) return kNoBlock;
    for (const auto input : graph.node(i).inputs) {
      const ValueId owner = root[static_cast<std::size_t>(input)];
      const std::size_t block = block_of[static_cast<std::size_t>(owner)];
      if (block != kNoBlock && blocks[block].last == i && blocks[block].taken_over != i &&
          graph.info(input).type.dtype == graph.info(output).type.dtype &&
          graph.info(input).type.shape == graph.info(output).type.shape) {
        return block;
      }
    }
    return kNoBlock;
  };
  for (graph::NodeId i = 0; i < node_count; ++i) {
    for (const auto output : graph.node(i).outputs) {
      const auto v = static_cast<std::size_t>(output);
      if (root[v] != output || !in_arena(output)) continue;
      const graph::NodeId last = std::max(group_end(i), last_use[v]);
      block_of[v] = find_donor(i, output);
      if (block_of[v] == kNoBlock) {
        block_of[v] = blocks.size();
        add_block(i, bytes_of(graph, output), last);
      } else {
        blocks[block_of[v]].last = last;
        blocks[block_of[v]].taken_over = i;
      }
    }
    const auto scratch = static_cast<std::int64_t>(workspace_bytes(i));
    if (scratch > 0) {
      workspace_of[static_cast<std::size_t>(i)] = blocks.size();
      add_block(i, scratch, group_end(i));
    }
  }

  Program program;
  program.arena_bytes = place(blocks);
  program.offsets.assign(values, 0);
  program.workspaces.assign(nodes.size(), 0);
  program.block_bytes = std::move(block_bytes);
  for (std::size_t v = 0; v < values; ++v) {
    if (block_of[v] != kNoBlock) program.offsets[v] = blocks[block_of[v]].offset;
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (workspace_of[i] != kNoBlock) program.workspaces[i] = blocks[workspace_of[i]].offset;
  }

  for (std::size_t v = 0; v < values; ++v) {
    const auto owner = static_cast<std::size_t>(root[v]);
    const auto& home = graph.info(static_cast<ValueId>(owner)).home;
    program.offsets[v] = home.space == Space::arena ? program.offsets[owner] : home.offset;
  }
  program.graph = std::move(owned);
  return program;
}

}  // namespace stoker::plan
