// This pass joins chains of pointwise ops into one op, so that the values between them are never
// written to memory.
#include <memory>
#include <numeric>

#include "plan/match.h"
#include "plan/passes.h"
#include "plan/uses.h"

namespace stoker::plan {

using graph::Expression;
using graph::Graph;
using graph::Node;
using graph::NodeId;
using graph::Space;
using graph::ValueId;

namespace {

// The shape over which the node evaluates its expression.
Shape evaluated_shape(Graph& graph, const Node& node) {
  if (is_op(node, ops::OpIndex::pointwise)) return graph.info(node.outputs[0]).type.shape;
  std::vector<graph::Value> inputs;
  for (const auto input : node.inputs) inputs.push_back(graph.value(input));
  return ops::broadcast({}, inputs);
}

// Whether a node between the producer and the consumer could change what the producer reads.
bool moves_past_a_write(const Graph& graph, NodeId producer, NodeId consumer,
                        const Expression& expression) {
  bool reads_state = expression.uses_random();
  for (const auto input : graph.node(producer).inputs) {
    const Space space = space_of(graph, input);
    reads_state = reads_state || (space != Space::arena && space != Space::input);
  }
  return reads_state && has_write_between(graph, producer, consumer);
}

// Replaces the consumer's input `value` by the producer's expression.
void splice_into(const Graph& graph, const Node& producer, ValueId value, Node& consumer) {
  const Expression& inner = ops::attributes_of<ops::PointwiseAttributes>(producer).expression;
  const bool reduces = is_op(consumer, ops::OpIndex::reduce);
  const Expression& outer = reduces
                                ? ops::attributes_of<ops::ReduceAttributes>(consumer).expression
                                : ops::attributes_of<ops::PointwiseAttributes>(consumer).expression;

  std::vector<ValueId> inputs;
  Expression fused;
  const auto input_number = [&](ValueId id) {
    const auto found = std::find(inputs.begin(), inputs.end(), id);
    if (found == inputs.end()) inputs.push_back(id);
    return static_cast<int>(std::find(inputs.begin(), inputs.end(), id) - inputs.begin());
  };
  std::vector<std::int32_t> inner_inputs;
  for (const auto input : producer.inputs) {
    inner_inputs.push_back(fused.input(input_number(input)));
  }
  // A value that was stored in 16 bits is still rounded to them, so that fusion does not change
  // results.
  const graph::Expr stored{&fused, fused.splice(inner, inner_inputs)[0]};
  const std::int32_t result = rounded(stored, graph.info(value).type.dtype).id;
  std::vector<std::int32_t> outer_inputs;
  for (const auto input : consumer.inputs) {
    outer_inputs.push_back(input == value ? result : fused.input(input_number(input)));
  }
  for (const auto output : fused.splice(outer, outer_inputs)) fused.add_output(output);

  std::vector<int> kept;
  fused = fused.compacted(&kept);
  consumer.inputs.clear();
  for (const int k : kept) consumer.inputs.push_back(inputs[static_cast<std::size_t>(k)]);
  if (reduces) {
    auto attributes = ops::attributes_of<ops::ReduceAttributes>(consumer);
    attributes.expression = std::move(fused);
    consumer.attributes = std::make_shared<const ops::ReduceAttributes>(std::move(attributes));
  } else {
    auto attributes = ops::attributes_of<ops::PointwiseAttributes>(consumer);
    attributes.expression = std::move(fused);
    consumer.attributes = std::make_shared<const ops::PointwiseAttributes>(std::move(attributes));
  }
}

// The shape of a reduce is that of its inputs, so splicing must not lose the axes that they span.
bool keeps_shape(Graph& graph, const Node& producer, ValueId value, const Node& consumer,
                 const Shape& shape) {
  if (is_op(consumer, ops::OpIndex::pointwise)) return true;
  std::vector<graph::Value> inputs;
  for (const auto input : producer.inputs) inputs.push_back(graph.value(input));
  for (const auto input : consumer.inputs) {
    if (input != value) inputs.push_back(graph.value(input));
  }
  return ops::broadcast({}, inputs) == shape;
}

bool is_constant(const Node& node) {
  return is_op(node, ops::OpIndex::pointwise) && node.inputs.empty() &&
         !ops::attributes_of<ops::PointwiseAttributes>(node).expression.uses_random();
}

// A reshaped constant is a constant of the other shape. Gradients of means start with such chains.
void reshape_constant(const Graph& graph, Node& node) {
  if (!is_op(node, ops::OpIndex::reshape)) return;
  const NodeId source = graph.info(node.inputs[0]).node;
  if (source < 0 || !is_constant(graph.node(source))) return;
  node.op = graph.node(source).op;
  node.attributes = graph.node(source).attributes;
  node.inputs.clear();
}

}  // namespace

void fuse_pointwise(Graph& graph, std::span<const ValueId> keep) {
  auto readers = find_readers(graph);
  auto& nodes = graph.nodes();
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    reshape_constant(graph, nodes[i]);
    const Node& producer = nodes[i];
    if (!is_op(producer, ops::OpIndex::pointwise) || producer.outputs.size() != 1) continue;
    const auto& attributes = ops::attributes_of<ops::PointwiseAttributes>(producer);
    const ValueId value = producer.outputs[0];
    if (attributes.guard != ops::Guard::none || !attributes.ranges.empty() ||
        !is_private(graph, value, keep)) {
      continue;
    }
    auto& own = readers[static_cast<std::size_t>(value)];
    own.erase(std::unique(own.begin(), own.end()), own.end());
    const bool constant = is_constant(producer);
    if (own.empty() || (own.size() > 1 && !constant)) continue;

    bool all = true;
    for (const NodeId reader : own) {
      Node& consumer = nodes[static_cast<std::size_t>(reader)];
      const bool takes =
          is_op(consumer, ops::OpIndex::pointwise) || is_op(consumer, ops::OpIndex::reduce);
      if (!takes) {
        all = false;
        continue;
      }
      const Shape shape = evaluated_shape(graph, consumer);
      const bool same_elements = constant || graph.info(value).type.shape == shape;
      if (!same_elements || !keeps_shape(graph, producer, value, consumer, shape) ||
          moves_past_a_write(graph, static_cast<NodeId>(i), reader, attributes.expression)) {
        all = false;
        continue;
      }
      splice_into(graph, producer, value, consumer);
      for (const auto input : producer.inputs) {
        auto& list = readers[static_cast<std::size_t>(input)];
        std::replace(list.begin(), list.end(), static_cast<NodeId>(i), reader);
        std::sort(list.begin(), list.end());
      }
    }
    if (all) nodes[i].op = nullptr;
  }
  remove_marked_nodes(graph);
  // This removes constants that all their readers have taken in.
  eliminate_dead_nodes(graph, keep);
}

void inline_scalars(Graph& graph, std::span<const ValueId> keep) {
  const auto is_single = [&](ValueId value) {
    return graph.info(value).type.shape.elements() == 1;
  };
  auto& nodes = graph.nodes();
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const Node& producer = nodes[i];
    if (!is_op(producer, ops::OpIndex::pointwise) || producer.outputs.size() != 1) continue;
    const auto& attributes = ops::attributes_of<ops::PointwiseAttributes>(producer);
    const ValueId value = producer.outputs[0];
    if (attributes.guard != ops::Guard::none || !attributes.ranges.empty() ||
        attributes.expression.uses_random() || !is_private(graph, value, keep) ||
        !is_single(value) ||
        !std::all_of(producer.inputs.begin(), producer.inputs.end(), is_single)) {
      continue;
    }
    auto own = find_readers(graph)[static_cast<std::size_t>(value)];
    own.erase(std::unique(own.begin(), own.end()), own.end());
    if (own.size() != 1) continue;
    Node& consumer = nodes[static_cast<std::size_t>(own[0])];
    if (!is_op(consumer, ops::OpIndex::pointwise) ||
        moves_past_a_write(graph, static_cast<NodeId>(i), own[0], attributes.expression)) {
      continue;
    }
    splice_into(graph, producer, value, consumer);
    nodes[i].op = nullptr;
  }
  remove_marked_nodes(graph);
}

}  // namespace stoker::plan
