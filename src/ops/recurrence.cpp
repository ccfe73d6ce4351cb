// recurrence and its gradient.
#include "ops/common.h"

namespace stoker::ops {
namespace {

const char* name_of(RecurrentKind kind) {
  switch (kind) {
    case RecurrentKind::simple:
      return "simple";
    case RecurrentKind::gru:
      return "gru";
    case RecurrentKind::gru_reset_before:
      return "gru_reset_before";
    case RecurrentKind::lstm:
      return "lstm";
  }
  return "";
}

const char* name_of(GateFunction function) {
  switch (function) {
    case GateFunction::linear:
      return "linear";
    case GateFunction::relu:
      return "relu";
    case GateFunction::sigmoid:
      return "sigmoid";
    case GateFunction::hard_sigmoid:
      return "hard_sigmoid";
    case GateFunction::tanh:
      return "tanh";
  }
  return "";
}

// The gradient of a recurrent kernel is one product over all steps. Before the reset gate's product
// with the state, the candidate's columns are multiplied with another matrix than the rest.
Value kernel_gradient(const RecurrenceAttributes& attributes, const RecurrenceBackwardPlaces& at,
                      const std::vector<Value>& backward) {
  const auto rows = [](Value x) {
    const Shape& s = x.shape();
    return reshape(x, {s[0] * s[1], s[2]});
  };
  const auto output = [&](int place) { return backward[static_cast<std::size_t>(place)]; };
  const Value before = rows(output(at.before));
  const Value dproduct = rows(output(at.dproduct < 0 ? at.dx : at.dproduct));
  if (attributes.kind != RecurrentKind::gru_reset_before) return matmul(before, dproduct, true);
  const std::int64_t units = before.shape()[1];
  const Value gates = matmul(before, slice(dproduct, 1, 0, 2 * units), true);
  const Value candidate =
      matmul(rows(output(at.reset)), slice(dproduct, 1, 2 * units, units), true);
  return concatenate({gates, candidate}, 1);
}

// The types of a node's outputs.
std::vector<ValueType> outputs_of(const RecurrenceAttributes& attributes, const ValueType& x,
                                  std::int64_t units) {
  const std::int64_t batch = x.shape[0], steps = x.shape[1];
  const RecurrencePlaces at(attributes);
  std::vector<ValueType> outputs{{x.dtype, {batch, units}}};
  if (at.last_cell >= 0) outputs.push_back({x.dtype, {batch, units}});
  if (at.sequence >= 0) outputs.push_back({x.dtype, {batch, steps, units}});
  // Only the gradient reads these.
  if (at.cells >= 0) outputs.push_back({DType::float32, {batch, steps, units}});
  if (at.kept >= 0) {
    outputs.push_back({DType::float32, {batch, steps, attributes.kept() * units}});
  }
  return outputs;
}

// Lets the node keep what its gradient needs, which only programs with a gradient have room for.
void keep(Graph& graph, NodeId id) {
  Node& node = graph.nodes()[static_cast<std::size_t>(id)];
  RecurrenceAttributes attributes = attributes_of<RecurrenceAttributes>(node);
  if (attributes.keeps) return;
  attributes.keeps = true;
  const std::vector<ValueType> outputs = outputs_of(attributes, graph.info(node.inputs[0]).type,
                                                    graph.info(node.inputs[1]).type.shape[0]);
  for (std::size_t i = node.outputs.size(); i < outputs.size(); ++i) {
    node.outputs.push_back(graph.new_value(outputs[i], id));
  }
  node.attributes = share(attributes);
}

std::vector<Value> gradient(Graph& graph, NodeId id, std::span<const Value> dy) {
  keep(graph, id);
  const Node node = graph.node(id);
  RecurrenceAttributes attributes = attributes_of<RecurrenceAttributes>(node);
  const RecurrencePlaces from(attributes);
  const auto input = [&](int place) {
    return graph.value(node.inputs[static_cast<std::size_t>(place)]);
  };
  const auto output = [&](int place) {
    return graph.value(node.outputs[static_cast<std::size_t>(place)]);
  };
  const auto given = [&](int place) {
    const auto i = static_cast<std::size_t>(place);
    return place < 0 || i >= dy.size() ? Value{} : dy[i];
  };
  const Value dlast = given(from.last), dcell = given(from.last_cell),
              dsequence = given(from.sequence);
  attributes.has_dlast = static_cast<bool>(dlast);
  attributes.has_dcell = static_cast<bool>(dcell);
  attributes.has_dsequence = static_cast<bool>(dsequence);

  const Value x = input(from.x);
  const Value kernel = input(from.recurrent_kernel);
  std::vector<Value> inputs{transpose(kernel, {1, 0}), output(from.sequence)};
  for (const int place : {from.cells, from.kept}) {
    if (place >= 0) inputs.push_back(output(place));
  }
  for (const int place : {from.state, from.cell, from.mask}) {
    if (place >= 0) inputs.push_back(input(place));
  }
  for (const Value& one : {dlast, dcell, dsequence}) {
    if (one) inputs.push_back(one);
  }
  const Shape& shape = x.shape();
  const std::int64_t units = kernel.shape()[0];
  const ValueType of_x{x.dtype(), shape};
  const ValueType of_states{x.dtype(), {shape[0], shape[1], units}};
  const ValueType of_state{x.dtype(), {shape[0], units}};
  const RecurrenceBackwardPlaces at(attributes);
  std::vector<ValueType> outputs{of_x, of_states};
  if (at.dproduct >= 0) outputs.push_back(of_x);
  if (at.reset >= 0) outputs.push_back(of_states);
  if (at.dstate >= 0) outputs.push_back(of_state);
  if (at.dstate_cell >= 0) outputs.push_back(of_state);
  const auto backward =
      graph.append(recurrence_backward_op, std::move(inputs), share(attributes), outputs);

  std::vector<Value> gradients(node.inputs.size());
  const auto put = [&](int place, Value value) {
    if (place >= 0) gradients[static_cast<std::size_t>(place)] = value;
  };
  put(from.x, backward[0]);
  put(from.recurrent_kernel, kernel_gradient(attributes, at, backward));
  if (at.dstate >= 0) put(from.state, backward[static_cast<std::size_t>(at.dstate)]);
  if (at.dstate_cell >= 0) put(from.cell, backward[static_cast<std::size_t>(at.dstate_cell)]);
  if (from.recurrent_bias >= 0) {
    const Value sum = reduce_sum(backward[static_cast<std::size_t>(at.dproduct)], {0, 1});
    put(from.recurrent_bias, cast(sum, x.dtype()));
  }
  return gradients;
}

// The product of the states of all steps with the recurrent kernel.
double products(const Graph& graph, const Shape& x, ValueId kernel) {
  const Shape& k = graph.info(kernel).type.shape;
  return static_cast<double>(x[0] * x[1]) * static_cast<double>(k.elements());
}
double multiply_adds(const Graph& graph, const Node& node) {
  return products(graph, graph.info(node.inputs[0]).type.shape, node.inputs[1]);
}
double backward_multiply_adds(const Graph& graph, const Node& node) {
  return products(graph, graph.info(node.outputs[0]).type.shape, node.inputs[0]);
}

}  // namespace

const Op recurrence_op =
    define("recurrence", OpIndex::recurrence, gradient,
           {.takes_any_dtype = false, .writes_scalars = false, .multiply_adds = multiply_adds});
const Op recurrence_backward_op = define_without_gradient(
    "recurrence_backward", OpIndex::recurrence_backward, "second derivatives are not offered",
    {.takes_any_dtype = false, .writes_scalars = false, .multiply_adds = backward_multiply_adds});

std::int64_t RecurrenceAttributes::gates() const {
  switch (kind) {
    case RecurrentKind::simple:
      return 1;
    case RecurrentKind::gru:
    case RecurrentKind::gru_reset_before:
      return 3;
    case RecurrentKind::lstm:
      return 4;
  }
  return 0;
}

// A GRU with its reset gate behind the product keeps the candidate's product beside its gates.
std::int64_t RecurrenceAttributes::kept() const {
  if (kind == RecurrentKind::simple) return 0;
  return kind == RecurrentKind::gru_reset_before ? 3 : 4;
}

std::string RecurrenceAttributes::text() const {
  std::string text = format(name_of(kind), ' ', name_of(activation));
  if (kind != RecurrentKind::simple) text += format(' ', name_of(recurrent_activation));
  if (is_backwards) text += " backwards";
  if (in_order_of_input) text += " in order of input";
  if (has_state) text += " state";
  if (has_recurrent_bias) text += " bias";
  if (has_mask) text += " mask";
  if (has_sequence) text += " sequence";
  if (keeps) text += " keeps";
  if (has_dlast) text += " dlast";
  if (has_dcell) text += " dcell";
  if (has_dsequence) text += " dsequence";
  return text;
}

RecurrencePlaces::RecurrencePlaces(const RecurrenceAttributes& attributes) {
  int inputs = 2;
  if (attributes.has_state) state = inputs++;
  if (attributes.has_state && attributes.has_cell()) cell = inputs++;
  if (attributes.has_recurrent_bias) recurrent_bias = inputs++;
  if (attributes.has_mask) mask = inputs++;
  int outputs = 1;
  if (attributes.has_cell()) last_cell = outputs++;
  if (attributes.has_sequence || attributes.keeps) sequence = outputs++;
  if (attributes.keeps && attributes.has_cell()) cells = outputs++;
  if (attributes.keeps && attributes.kept() > 0) kept = outputs++;
}

RecurrenceBackwardPlaces::RecurrenceBackwardPlaces(const RecurrenceAttributes& attributes) {
  int inputs = 2;
  if (attributes.has_cell()) cells = inputs++;
  if (attributes.kept() > 0) kept = inputs++;
  if (attributes.has_state) state = inputs++;
  if (attributes.has_state && attributes.has_cell()) cell = inputs++;
  if (attributes.has_mask) mask = inputs++;
  if (attributes.has_dlast) dlast = inputs++;
  if (attributes.has_dcell) dcell = inputs++;
  if (attributes.has_dsequence) dsequence = inputs++;
  int outputs = 2;
  if (attributes.kind == RecurrentKind::gru) dproduct = outputs++;
  if (attributes.kind == RecurrentKind::gru_reset_before) reset = outputs++;
  if (attributes.has_state) dstate = outputs++;
  if (attributes.has_state && attributes.has_cell()) dstate_cell = outputs++;
}

RecurrenceResult recurrence(const RecurrenceInputs& in, RecurrenceAttributes attributes) {
  Graph& graph = *in.x.graph;
  const Shape& x = in.x.shape();
  const Shape& kernel = in.recurrent_kernel.shape();
  const std::int64_t gates = attributes.gates();
  require(x.rank() == 3 && kernel.rank() == 2, graph,
          "recurrence: expected a sequence of rank 3 and a kernel of rank 2, received ", x, " and ",
          kernel);
  const std::int64_t units = kernel[0];
  require(kernel[1] == gates * units && x[2] == kernel[1], graph, "recurrence: a kernel of ",
          kernel, " and a sequence of ", x, " do not fit ", gates, gates == 1 ? " gate" : " gates");
  require(x[1] >= 1, graph, "recurrence: expected one step or more, received ", x);
  const Shape state{x[0], units};
  const auto require_shape = [&](Value value, const Shape& shape, const char* what) {
    require(!value || value.shape() == shape, graph, "recurrence: expected ", what, " of ", shape,
            ", received ", value ? value.shape() : Shape());
  };
  require_shape(in.state, state, "a state");
  require_shape(in.cell, state, "a cell");
  require_shape(in.recurrent_bias, {kernel[1]}, "a recurrent bias");
  require_shape(in.mask, {x[0], x[1]}, "a mask");
  std::vector<Value> operands{in.x, in.recurrent_kernel};
  for (const Value& one : {in.state, in.cell, in.recurrent_bias}) {
    if (one) operands.push_back(one);
  }
  require_same_dtype(graph, "recurrence", operands);
  attributes.has_state = static_cast<bool>(in.state);
  attributes.has_recurrent_bias = static_cast<bool>(in.recurrent_bias);
  attributes.has_mask = static_cast<bool>(in.mask);
  require(!attributes.has_recurrent_bias || attributes.kind == RecurrentKind::gru, graph,
          "recurrence: expected a recurrent bias for a GRU alone, received one for another kind");
  require(static_cast<bool>(in.cell) == (attributes.has_state && attributes.has_cell()), graph,
          "recurrence: expected a cell beside the state of an LSTM, and of nothing else");
  if (in.mask) operands.push_back(in.mask);

  const RecurrencePlaces at(attributes);
  const std::vector<ValueType> outputs = outputs_of(attributes, {in.x.dtype(), x}, units);
  const auto results = graph.append(recurrence_op, std::move(operands), share(attributes), outputs);
  const auto output = [&](int place) {
    return place < 0 ? Value{} : results[static_cast<std::size_t>(place)];
  };
  return {output(at.last), output(at.last_cell), output(at.sequence)};
}

}  // namespace stoker::ops
