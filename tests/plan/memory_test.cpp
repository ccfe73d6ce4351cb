// Memory by lifetime: nothing that is still needed is written over, and little is wasted.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "core/align.h"
#include "ops/ops.h"
#include "plan/program.h"
#include "plan/targets.h"
#include "plan/training_graph.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Graph;
using graph::Node;
using graph::NodeId;
using graph::Space;
using graph::Value;
using graph::ValueId;

using Workspaces = std::function<std::size_t(NodeId)>;

std::size_t no_workspace(NodeId) { return 0; }

// A block of the arena and the nodes between which it must stay as it is.
struct Block {
  std::int64_t begin, end;
  NodeId first, last;
  ValueId value;  // kNone: a workspace
};

bool is(const Node& node, ops::OpIndex op) { return node.op->index == static_cast<int>(op); }

std::int64_t bytes(const graph::ValueInfo& info) {
  return info.type.shape.elements() * static_cast<std::int64_t>(size_of(info.type.dtype));
}

// Worked out from the graph alone: a view keeps what it shows, a kept value lives to the end.
std::vector<Block> blocks(const plan::Program& program, const std::vector<ValueId>& keep,
                          const Workspaces& workspaces) {
  const Graph& graph = *program.graph;
  const auto count = static_cast<NodeId>(graph.nodes().size());
  std::vector<ValueId> owner(graph.value_count());
  for (std::size_t v = 0; v < owner.size(); ++v) owner[v] = static_cast<ValueId>(v);
  const auto at = [](auto id) { return static_cast<std::size_t>(id); };
  std::vector<NodeId> last(graph.value_count(), -1);
  for (NodeId i = 0; i < count; ++i) {
    const Node& node = graph.node(i);
    for (const ValueId input : node.inputs) last[at(owner[at(input)])] = i;
    for (const ValueId output : node.outputs) {
      const bool shares = is(node, ops::OpIndex::reshape) &&
                          program.offsets[at(output)] == program.offsets[at(node.inputs[0])] &&
                          graph.info(output).home.space == graph.info(node.inputs[0]).home.space;
      if (shares) owner[at(output)] = owner[at(node.inputs[0])];
      last[at(owner[at(output)])] = i;
    }
  }
  for (const ValueId value : keep) last[at(owner[at(value)])] = count;

  std::vector<Block> all;
  for (std::size_t v = 0; v < owner.size(); ++v) {
    const graph::ValueInfo& info = graph.info(static_cast<ValueId>(v));
    const bool has_node = info.node >= 0 && info.node < count &&
                          std::count(graph.node(info.node).outputs.begin(),
                                     graph.node(info.node).outputs.end(), v) > 0;
    if (!has_node || info.home.space != Space::arena || at(owner[v]) != v) continue;
    const std::int64_t begin = program.offsets[v];
    all.push_back({begin, begin + bytes(info), info.node, last[v], static_cast<ValueId>(v)});
  }
  for (NodeId i = 0; i < count; ++i) {
    const std::int64_t begin = program.workspaces[at(i)];
    const auto size = static_cast<std::int64_t>(workspaces(i));
    if (size > 0) all.push_back({begin, begin + size, i, i, graph::kNone});
  }
  return all;
}

// Whether `later` may stand where `earlier` stood: pointwise work that ends with `earlier`, over an
// operand of its own type.
bool may_overwrite(const Graph& graph, const Block& later, const Block& earlier) {
  if (later.value == graph::kNone || earlier.value == graph::kNone) return false;
  if (later.first != earlier.last || later.begin != earlier.begin) return false;
  const Node& node = graph.node(later.first);
  return is(node, ops::OpIndex::pointwise) && later.end == earlier.end;
}

void expect_sound(const plan::Program& program, const std::vector<ValueId>& keep,
                  const Workspaces& workspaces) {
  const auto all = blocks(program, keep, workspaces);
  for (const Block& a : all) {
    EXPECT_EQ(a.begin % kAlignment, 0);
    EXPECT_LE(a.end, program.arena_bytes);
    for (const Block& b : all) {
      if (&a == &b || b.first < a.first) continue;
      const bool meet = b.first <= a.last && a.begin < b.end && b.begin < a.end;
      if (!meet || may_overwrite(*program.graph, b, a)) continue;
      ADD_FAILURE() << "value " << b.value << " of node " << b.first << " at [" << b.begin << ", "
                    << b.end << ") over value " << a.value << " at [" << a.begin << ", " << a.end
                    << "), which lives from node " << a.first << " to " << a.last << "\n"
                    << program.graph->dump();
    }
  }
}

std::int64_t most_alive(const plan::Program& program, const std::vector<ValueId>& keep,
                        const Workspaces& workspaces) {
  const auto all = blocks(program, keep, workspaces);
  std::int64_t most = 0;
  for (NodeId i = 0; i < static_cast<NodeId>(program.graph->nodes().size()); ++i) {
    std::int64_t alive = 0;
    for (const Block& block : all) {
      if (block.first <= i && i <= block.last) alive += block.end - block.begin;
    }
    most = std::max(most, alive);
  }
  return most;
}

// As kernels ask for: nothing, a little, more than the values themselves.
std::size_t some_workspace(NodeId node) {
  constexpr std::size_t kSizes[] = {0, 64, 4000, 0, 70000, 256};
  return kSizes[static_cast<std::size_t>(node) % std::size(kSizes)];
}

class TrainingMemory : public testing::TestWithParam<bool> {};

TEST_P(TrainingMemory, holds_every_value_as_long_as_it_is_needed) {
  for (const Workspaces& workspaces : {Workspaces(no_workspace), Workspaces(some_workspace)}) {
    test::TrainingGraph training;
    const std::vector<ValueId> keep{training.logits.id};
    if (GetParam()) plan::optimize(*training.graph, keep, test::target());
    const plan::Program program = plan::lay_out(std::move(training.graph), keep, workspaces);
    EXPECT_GT(blocks(program, keep, workspaces).size(), GetParam() ? 15U : 25U);
    expect_sound(program, keep, workspaces);
  }
}

// First fit leaves gaps: of what lives at once, at most a quarter.
TEST_P(TrainingMemory, is_at_most_a_quarter_more_than_what_lives_at_once) {
  for (const Workspaces& workspaces : {Workspaces(no_workspace), Workspaces(some_workspace)}) {
    test::TrainingGraph training;
    const std::vector<ValueId> keep{training.logits.id};
    if (GetParam()) plan::optimize(*training.graph, keep, test::target());
    const plan::Program program = plan::lay_out(std::move(training.graph), keep, workspaces);
    const auto alive = static_cast<double>(most_alive(program, keep, workspaces));
    RecordProperty("arena_over_alive",
                   std::to_string(static_cast<double>(program.arena_bytes) / alive));
    EXPECT_LE(static_cast<double>(program.arena_bytes), 1.25 * alive);
  }
}

INSTANTIATE_TEST_SUITE_P(Graphs, TrainingMemory, testing::Bool(), [](const auto& info) {
  return std::string(info.param ? "optimized" : "plain");
});

// ---- One rule at a time, on small graphs ----

struct Small {
  std::unique_ptr<Graph> graph = std::make_unique<Graph>();
  std::vector<ValueId> keep;
  plan::Program program;

  Value leaf(Shape shape) {
    return graph->leaf("x", {DType::float32, shape}, {Space::parameter, 0, 512});
  }
  void lay_out(const Workspaces& workspaces = no_workspace) {
    program = plan::lay_out(std::move(graph), keep, workspaces);
    expect_sound(program, keep, workspaces);
  }
  std::int64_t offset(Value value) const {
    return program.offsets[static_cast<std::size_t>(value.id)];
  }
};

Value bend(Value x) {
  return ops::map(x, [](Expr v) { return graph::tanh(v); });
}

TEST(Memory, lets_pointwise_work_write_over_what_it_alone_still_reads) {
  Small s;
  const Value a = bend(s.leaf({100})), b = bend(a), c = bend(b);
  s.keep = {c.id};
  s.lay_out();
  EXPECT_EQ(s.offset(b), s.offset(a));
  EXPECT_EQ(s.offset(c), s.offset(a));
  EXPECT_EQ(s.program.arena_bytes, 512);
}

TEST(Memory, lets_other_ops_not_write_over_their_inputs) {
  Small s;
  const Value a = bend(s.leaf({10, 10})), b = ops::softmax(a);
  s.keep = {b.id};
  s.lay_out();
  EXPECT_NE(s.offset(b), s.offset(a));
}

TEST(Memory, does_not_write_over_a_value_that_is_read_later_or_kept) {
  Small s;
  const Value a = bend(s.leaf({100})), b = bend(a), c = ops::multiply(a, b);
  s.keep = {b.id, c.id};
  s.lay_out();
  EXPECT_NE(s.offset(b), s.offset(a));
  EXPECT_EQ(s.offset(c), s.offset(a));
}

TEST(Memory, does_not_write_over_an_operand_of_another_shape) {
  Small s;
  const Value row = bend(s.leaf({1, 64})), column = bend(s.leaf({64, 1}));
  const Value y = ops::add(row, column);
  s.keep = {y.id};
  s.lay_out();
  EXPECT_NE(s.offset(y), s.offset(row));
  EXPECT_NE(s.offset(y), s.offset(column));
}

TEST(Memory, gives_one_operand_to_one_of_two_outputs) {
  Small s;
  const Value a = bend(s.leaf({100}));
  graph::Expression two;
  const Expr x{&two, two.input(0)};
  two.add_output((x * 2.0f).id);
  two.add_output((x + 1.0f).id);
  const auto outputs = ops::pointwise({a}, two);
  s.keep = {outputs[0].id, outputs[1].id};
  s.lay_out();
  EXPECT_EQ(s.offset(outputs[0]), s.offset(a));
  EXPECT_NE(s.offset(outputs[1]), s.offset(a));
}

TEST(Memory, needs_none_for_a_view_and_keeps_what_it_shows) {
  Small s;
  const Value a = bend(s.leaf({6, 20})), view = ops::reshape(a, {2, 60});
  const Value between = ops::softmax(s.leaf({6, 20}));
  const Value late = ops::reshape(view, {120});
  s.keep = {late.id, between.id};
  s.lay_out();
  EXPECT_EQ(s.offset(view), s.offset(a));
  EXPECT_EQ(s.offset(late), s.offset(a));
  EXPECT_NE(s.offset(between), s.offset(a));
  EXPECT_EQ(s.program.arena_bytes, 1024);
}

TEST(Memory, puts_a_view_of_a_weight_where_the_weight_is) {
  Small s;
  const Value weight = s.leaf({6, 20}), view = ops::reshape(weight, {120});
  s.keep = {view.id};
  s.lay_out();
  EXPECT_EQ(s.program.graph->info(view.id).home.space, Space::parameter);
  EXPECT_EQ(s.offset(view), 512);
  EXPECT_EQ(s.program.arena_bytes, 0);
}

TEST(Memory, takes_a_reshape_that_is_placed_elsewhere_for_a_copy) {
  Small s;
  const Value a = bend(s.leaf({6, 20})), copy = ops::reshape(a, {120});
  s.graph->place(copy, {Space::gradient, 0, 256});
  s.lay_out();
  EXPECT_EQ(s.program.graph->info(copy.id).home.space, Space::gradient);
  EXPECT_EQ(s.offset(copy), 256);
  EXPECT_EQ(s.program.arena_bytes, 512);
}

TEST(Memory, takes_back_an_output_that_nobody_reads) {
  Small s;
  bend(s.leaf({100}));
  const Value y = bend(s.leaf({100}));
  s.keep = {y.id};
  s.lay_out();
  EXPECT_EQ(s.program.arena_bytes, 512);
}

TEST(Memory, shares_workspaces_between_nodes_but_with_no_value) {
  Small s;
  const Value a = ops::softmax(s.leaf({100})), b = ops::softmax(a);
  s.keep = {b.id};
  s.lay_out([](NodeId) { return std::size_t{1000}; });
  EXPECT_EQ(s.program.arena_bytes, 512 + 512 + 1024);
}

TEST(Memory, tells_what_each_node_adds) {
  Small s;
  const Value a = ops::softmax(s.leaf({100})), b = bend(a), c = ops::softmax(b);
  s.keep = {c.id};
  s.lay_out([](NodeId i) { return i == 2 ? std::size_t{1000} : std::size_t{0}; });
  // 400 bytes; written over, so nothing; 400 bytes and a workspace.
  EXPECT_EQ(s.program.block_bytes, (std::vector<std::int64_t>{512, 0, 512 + 1024}));
}

TEST(Memory, of_empty_values_is_sound) {
  Small s;
  const Value y = ops::softmax(bend(s.leaf({0, 3})));
  s.keep = {y.id};
  s.lay_out();
}

}  // namespace
}  // namespace stoker
