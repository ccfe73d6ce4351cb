#include "backend/cuda/passes.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "backend/cuda/lower.h"
#include "backend/cuda/ops/cuda_op.h"
#include "ops/ops.h"
#include "plan/match.h"
#include "plan/uses.h"

namespace stoker::backend::cuda {

using graph::Expression;
using graph::Graph;
using graph::Node;
using graph::NodeId;
using graph::Space;
using graph::ValueId;
using ops::OpIndex;
using plan::is_op;

namespace {

ops::Epilogue epilogue_of(const Node& node) {
  return is_op(node, OpIndex::matmul) ? ops::attributes_of<ops::MatMulAttributes>(node).epilogue
                                      : ops::attributes_of<ops::Conv2DAttributes>(node).epilogue;
}
bool has_bias(const Node& node) {
  return is_op(node, OpIndex::matmul) ? ops::attributes_of<ops::MatMulAttributes>(node).has_bias
                                      : ops::attributes_of<ops::Conv2DAttributes>(node).has_bias;
}

template <class A>
graph::AttributesPtr changed(const Node& node, bool bias, ops::Epilogue epilogue) {
  A attributes = ops::attributes_of<A>(node);
  attributes.has_bias = bias;
  attributes.epilogue = epilogue;
  return std::make_shared<const A>(std::move(attributes));
}
void set_epilogue(Node& node, bool bias, ops::Epilogue epilogue) {
  node.attributes = is_op(node, OpIndex::matmul)
                        ? changed<ops::MatMulAttributes>(node, bias, epilogue)
                        : changed<ops::Conv2DAttributes>(node, bias, epilogue);
}

}  // namespace

void fuse_relu_gradients(Graph& graph, std::span<const ValueId> keep, const Accepts& accepts) {
  const auto readers = plan::find_readers(graph);
  for (Node& late : graph.nodes()) {
    const auto [mask, gradient] = plan::match_relu_gradient(late);
    if (mask == graph::kNone || !plan::is_private(graph, gradient, keep)) continue;
    if (readers[static_cast<std::size_t>(gradient)].size() != 1) continue;
    const graph::ValueInfo& masked = graph.info(late.outputs[0]);
    const graph::ValueType& type = graph.info(mask).type;
    if (masked.home.space != Space::arena || type.dtype != graph.info(gradient).type.dtype ||
        masked.type.dtype != type.dtype || !(type.shape == graph.info(gradient).type.shape)) {
      continue;
    }
    const NodeId maker = graph.info(gradient).node;
    if (graph.info(mask).node >= maker) continue;
    Node& product = graph.nodes()[static_cast<std::size_t>(maker)];
    const bool takes =
        is_op(product, OpIndex::matmul) || is_op(product, OpIndex::conv2d_backward_data);
    if (!takes || has_bias(product) || epilogue_of(product) != ops::Epilogue::none) continue;

    Node fused = product;
    set_epilogue(fused, false, ops::Epilogue::relu_backward);
    fused.inputs.push_back(mask);
    if (!accepts(spec_of(graph, fused))) continue;
    fused.outputs[0] = late.outputs[0];
    product = std::move(fused);
    late.op = nullptr;
  }
  plan::remove_marked_nodes(graph);
}

void split_refused(Graph& graph, const Accepts& accepts) {
  std::vector<Node> nodes;
  for (Node& node : graph.nodes()) {
    const bool fused = (is_op(node, OpIndex::matmul) || is_op(node, OpIndex::conv2d)) &&
                       (has_bias(node) || epilogue_of(node) == ops::Epilogue::relu);
    if (!fused || accepts(spec_of(graph, node))) {
      nodes.push_back(std::move(node));
      continue;
    }
    Node plain = node;
    set_epilogue(plain, false, ops::Epilogue::none);
    if (has_bias(node)) plain.inputs.pop_back();
    if (!accepts(spec_of(graph, plain))) {
      nodes.push_back(std::move(node));
      continue;
    }
    Expression expression;
    graph::Expr result{&expression, expression.input(0)};
    if (has_bias(node)) result = result + graph::Expr{&expression, expression.input(1)};
    if (epilogue_of(node) == ops::Epilogue::relu) result = relu(result);
    expression.add_output(result.id);
    ops::PointwiseAttributes attributes;
    attributes.expression = std::move(expression);

    Node tail{&ops::op(OpIndex::pointwise),
              {},
              node.outputs,
              std::make_shared<const ops::PointwiseAttributes>(std::move(attributes)),
              node.scope};
    plain.outputs = {graph.new_value(graph.info(node.outputs[0]).type, -1)};
    tail.inputs = plain.outputs;
    if (has_bias(node)) tail.inputs.push_back(node.inputs.back());
    nodes.push_back(std::move(plain));
    nodes.push_back(std::move(tail));
  }
  plan::set_nodes(graph, std::move(nodes));
}

// ---- group_nodes ----
namespace {

struct Region {
  graph::Home home;
  std::int64_t bytes = 0;
};

bool overlap(const Region& a, const Region& b) {
  return a.home.space == b.home.space && a.home.index == b.home.index &&
         a.home.offset < b.home.offset + b.bytes && b.home.offset < a.home.offset + a.bytes;
}

// What a node touches outside of the arena, where values have no places yet.
std::vector<Region> regions(const Graph& graph, const std::vector<ValueId>& values) {
  std::vector<Region> result;
  for (const ValueId value : values) {
    const graph::ValueInfo& info = graph.info(value);
    if (info.home.space == Space::arena || info.home.space == Space::input) continue;
    result.push_back({info.home, info.type.shape.elements() *
                                     static_cast<std::int64_t>(size_of(info.type.dtype))});
  }
  return result;
}

bool any_overlap(const std::vector<Region>& a, const std::vector<Region>& b) {
  return std::any_of(a.begin(), a.end(), [&](const Region& x) {
    return std::any_of(b.begin(), b.end(), [&](const Region& y) { return overlap(x, y); });
  });
}

bool reads_scalars(const Graph& graph, const Node& node) {
  for (const ValueId input : node.inputs) {
    if (graph.info(input).home.space == Space::scalar) return true;
  }
  if (is_op(node, OpIndex::pointwise)) {
    const auto& attributes = ops::attributes_of<ops::PointwiseAttributes>(node);
    return attributes.guard != ops::Guard::none || attributes.expression.uses_random();
  }
  return is_op(node, OpIndex::reduce) &&
         ops::attributes_of<ops::ReduceAttributes>(node).expression.uses_random();
}

// Whether `early`, which stands before `late`, must also run before it.
bool must_precede(const Graph& graph, const Node& early, const Node& late) {
  for (const ValueId output : early.outputs) {
    if (plan::contains(late.inputs, output)) return true;
  }
  if (reads_scalars(graph, early) && late.op->writes_scalars) return true;
  const auto reads = regions(graph, early.inputs);
  const auto writes = regions(graph, early.outputs);
  const auto later_writes = regions(graph, late.outputs);
  return any_overlap(reads, later_writes) || any_overlap(writes, later_writes) ||
         any_overlap(writes, regions(graph, late.inputs));
}

}  // namespace

std::vector<NodeId> group_nodes(Graph& graph) {
  std::vector<Node> order;
  std::vector<NodeId> last_of_group;
  std::vector<Node> pending;
  const auto flush = [&] {
    const auto last = static_cast<NodeId>(order.size() + pending.size()) - 1;
    for (Node& node : pending) {
      order.push_back(std::move(node));
      last_of_group.push_back(last);
    }
    pending.clear();
  };
  for (Node& node : graph.nodes()) {
    const bool waits = std::any_of(pending.begin(), pending.end(), [&](const Node& early) {
      return must_precede(graph, early, node);
    });
    if (waits) flush();
    if (cuda_op(node).generate != nullptr) {
      pending.push_back(std::move(node));
    } else {
      last_of_group.push_back(static_cast<NodeId>(order.size()));
      order.push_back(std::move(node));
    }
  }
  flush();
  plan::set_nodes(graph, std::move(order));
  return last_of_group;
}

}  // namespace stoker::backend::cuda
