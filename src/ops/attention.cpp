// attention is the mean of values for each query, weighed by how well their keys fit it.
#include <utility>

#include "ops/common.h"

namespace stoker::ops {
namespace {

// The gradient of the key's and the value's mask is none.
std::vector<Value> gradient(Graph& graph, NodeId id, std::span<const Value> dy) {
  const Node node = graph.node(id);
  const auto attributes = attributes_of<AttentionAttributes>(node);
  const Value query = graph.value(node.inputs[0]);
  const Value key = graph.value(node.inputs[1]);
  const Value value = graph.value(node.inputs[2]);
  std::vector<Value> inputs{
      query, key, value, dy[0], graph.value(node.outputs[0]), graph.value(node.outputs[1])};
  for (std::size_t i = 3; i < node.inputs.size(); ++i)
    inputs.push_back(graph.value(node.inputs[i]));
  std::vector<Value> gradients = graph.append(
      attention_backward_op, std::move(inputs), share(attributes),
      {{query.dtype(), query.shape()}, {key.dtype(), key.shape()}, {value.dtype(), value.shape()}});
  gradients.resize(node.inputs.size());
  return gradients;
}

// The products of queries and keys, and of weights and values.
double multiply_adds(const Graph& graph, const Node& node) {
  const AttentionSizes s = attention_sizes(graph, node);
  return static_cast<double>(s.batch * s.heads * s.queries) *
         static_cast<double>(s.keys * (s.key_dim + s.value_dim));
}

// The backward pass computes scores again, and has two products for each of the two that it
// differentiates.
double multiply_adds_backward(const Graph& graph, const Node& node) {
  const AttentionSizes s = attention_sizes(graph, node);
  return static_cast<double>(s.batch * s.heads * s.queries) *
         static_cast<double>(s.keys * (3 * s.key_dim + 2 * s.value_dim));
}

bool reads_scalars(const Node& node) {
  return attributes_of<AttentionAttributes>(node).dropout > 0.0f;
}

}  // namespace

const Op attention_op = define("attention", OpIndex::attention, gradient,
                               {.takes_any_dtype = false,
                                .writes_scalars = false,
                                .multiply_adds = multiply_adds,
                                .reads_scalars = reads_scalars});
const Op attention_backward_op = define_without_gradient(
    "attention_backward", OpIndex::attention_backward, "it is a gradient itself",
    {.takes_any_dtype = false,
     .writes_scalars = false,
     .multiply_adds = multiply_adds_backward,
     .reads_scalars = reads_scalars});

std::string AttentionAttributes::text() const {
  std::string text = format("scale ", scale);
  if (causal) text += " causal";
  if (window > 0) text += format(" window ", window);
  if (has_query_mask) text += " query_mask";
  if (has_key_mask) text += " key_mask";
  if (blind != BlindQuery::zeros) text += " blind mean";
  if (blind == BlindQuery::mean_with_gradient) text += " with gradient";
  if (dropout > 0.0f) text += format(" dropout ", dropout, " of ", stream);
  return text;
}

Value attention(Value query, Value key, Value value, Value query_mask, Value key_mask,
                AttentionAttributes attributes) {
  Graph& graph = *query.graph;
  const Shape &q = query.shape(), &k = key.shape(), &v = value.shape();
  require(q.rank() == 4 && k.rank() == 4 && v.rank() == 4, graph,
          "attention: expected query, key and value of rank 4, received ", q, ", ", k, " and ", v);
  require(q[0] == k[0] && q[0] == v[0] && k[1] == v[1] && k[2] == v[2] && q[3] == k[3], graph,
          "attention: query ", q, ", key ", k, " and value ", v, " do not fit");
  require(k[2] > 0 && q[2] % k[2] == 0, graph, "attention: expected a number of heads that is a ",
          "multiple of the keys' ", k[2], ", received ", q[2]);
  const Value operands[] = {query, key, value};
  require_same_dtype(graph, "attention", operands);
  std::vector<Value> inputs{query, key, value};
  const auto add_mask = [&](Value mask, std::int64_t steps, const char* what) {
    if (!mask) return false;
    require(mask.shape() == Shape{q[0], steps}, graph, "attention: expected a mask of ", what, " ",
            Shape{q[0], steps}, ", received ", mask.shape());
    inputs.push_back(to_float(mask));
    return true;
  };
  attributes.has_query_mask = add_mask(query_mask, q[1], "queries");
  attributes.has_key_mask = add_mask(key_mask, k[1], "keys");
  return graph.append(
      attention_op, std::move(inputs), share(std::move(attributes)),
      {{query.dtype(), {q[0], q[1], q[2], v[3]}}, {DType::float32, {q[0], q[2], q[1]}}})[0];
}

AttentionSizes attention_sizes(const Graph& graph, const graph::Node& node) {
  const Shape& q = graph.info(node.inputs[0]).type.shape;
  const Shape& k = graph.info(node.inputs[1]).type.shape;
  const Shape& v = graph.info(node.inputs[2]).type.shape;
  return {.batch = q[0],
          .queries = q[1],
          .keys = k[1],
          .heads = q[2],
          .key_heads = k[2],
          .key_dim = q[3],
          .value_dim = v[3]};
}

}  // namespace stoker::ops
