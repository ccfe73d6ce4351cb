#include "layers/recurrent/recurrent_layer.h"

#include "layers/registry.h"
#include "layers/wrapping.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace layers {

using graph::Expr;
using graph::Value;

void describe(Fields& fields, RecurrentOptions& options) {
  describe_common(fields, options);
  fields("return_sequences", options.return_sequences);
  fields("return_state", options.return_state);
  fields("go_backwards", options.go_backwards);
  fields("stateful", options.stateful);
  fields("unroll", options.unroll);
  fields("zero_output_for_mask", options.zero_output_for_mask);
  fields("activity_regularizer", options.activity_regularizer);
  fields.never({"time_major"});
}

namespace {

// The mask in the other order of steps.
Value reversed(Value mask) {
  std::vector<Value> steps = ops::split(mask, 1, mask.shape()[1]);
  if (steps.size() == 1) return mask;
  return ops::concatenate({steps.rbegin(), steps.rend()}, 1);
}

// y [batch, ...] with zeros where the mask is 0, which has y's leading axes.
Value zeroed(Value y, Value mask) {
  Shape shape = mask.shape();
  while (shape.rank() < y.shape().rank()) shape.push_back(1);
  const Value kept = ops::map(y, ops::reshape(mask, shape), [](Expr value, Expr m) {
    return select(equal(m, 0.0f), Expr{m.expression, m.expression->constant(0.0f)}, value);
  });
  return ops::cast(kept, y.dtype());
}

// Keras's name of the cell of SimpleRNN, LSTM or GRU.
const char* cell_name(const GatedCellOptions& gates) {
  if (gates.kind == ops::RecurrentKind::simple) return "simple_rnn_cell";
  return gates.is_gru() ? "gru_cell" : "lstm_cell";
}

}  // namespace

RecurrentLayer::RecurrentLayer(std::string class_name, RecurrentOptions options,
                               std::shared_ptr<CellLayer> cell, WriteCell write_cell)
    : LayerBase(std::move(class_name), options.name, options.dtype),
      options_(std::move(options)),
      cell_(std::move(cell)),
      write_cell_(std::move(write_cell)) {
  supports_masking = true;
  argument_of_others = "initial_state";
}

std::vector<Child> RecurrentLayer::children() const {
  const std::string& own = cell_->name();
  return {{own.empty() ? snake_case(cell_->class_name()) : own, cell_, "cell"}};
}

void RecurrentLayer::write_fields(Fields& fields) const {
  RecurrentOptions options = options_;
  options.name = name();
  describe(fields, options);
  if (write_cell_) return write_cell_(fields);
  Config cell = config_of(children().at(0));
  fields("cell", cell);
}

std::vector<MaskedValue> RecurrentLayer::take(BuildContext& context,
                                              std::span<const MaskedValue> inputs,
                                              bool in_order_of_input) {
  if (inputs.size() != 1 && inputs.size() != 1 + state_count()) {
    throw ShapeError(format(label(), ": expected a sequence, or a sequence and ", state_count(),
                            state_count() == 1 ? " state" : " states", ", received ", inputs.size(),
                            " values"));
  }
  const Value x = context.to_compute(inputs.empty() ? Value{} : inputs[0].value);
  ops::require(x.shape().rank() >= 3, *x.graph, "expected a sequence (batch, steps, features), ",
               "received ", x.shape());
  const Value mask = inputs[0].mask;
  if (mask) {
    ops::require(mask.shape() == Shape({x.shape()[0], x.shape()[1]}), *x.graph,
                 "expected a mask of ", Shape({x.shape()[0], x.shape()[1]}), ", received ",
                 mask.shape());
  }
  CellLayer::States states;
  for (const MaskedValue& state : inputs.subspan(1)) {
    states.push_back(context.to_compute(state.value));
  }
  const std::vector<WeightSpec> kept = kept_states(x);
  for (std::size_t i = states.size(); i < kept.size(); ++i) {
    states.push_back(context.to_compute(context.weight(kept[i])));
  }
  const SequenceOptions sequence{.returns_sequence = options_.return_sequences,
                                 .is_backwards = options_.go_backwards,
                                 .in_order_of_input = in_order_of_input};
  SequenceResult result;
  context.within(*cell_, 0, [&] { result = cell_->run(context, x, states, mask, sequence); });
  for (std::size_t i = 0; i < kept.size(); ++i) context.keep(kept[i], result.states[i]);

  Value y = options_.return_sequences ? result.sequence : result.last;
  if (mask && options_.zero_output_for_mask) {
    if (options_.return_sequences) {
      const bool is_turned = options_.go_backwards && !in_order_of_input;
      y = zeroed(y, is_turned ? reversed(mask) : mask);
    } else {
      const std::int64_t last = options_.go_backwards ? 0 : mask.shape()[1] - 1;
      y = zeroed(y, ops::reshape(ops::slice(mask, 1, last, 1), {mask.shape()[0]}));
    }
  }
  std::vector<MaskedValue> outputs{{y, options_.return_sequences ? mask : Value{}}};
  if (options_.return_state) {
    for (const Value& state : result.states) outputs.push_back({state});
  }
  for (const MaskedValue& output : outputs) {
    add_activity_loss(context, options_.activity_regularizer, output.value);
  }
  return outputs;
}

std::vector<WeightSpec> RecurrentLayer::kept_states(Value x) const {
  std::vector<WeightSpec> specs;
  if (!options_.stateful) return specs;
  ops::require(x.shape()[0] != Shape::kUnknown, *x.graph,
               "expected batches of one size, since the layer is stateful, received ", x.shape(),
               ". Give the Input a batch_size");
  for (const Shape& shape : cell_->state_shapes(x)) {
    WeightSpec& spec = specs.emplace_back();
    spec.name = specs.size() == 1 ? "rnn_state" : format("rnn_state_", specs.size() - 1);
    spec.shape = shape;
    spec.trainable = false;
    spec.is_kept_state = true;
  }
  return specs;
}

// ---- The classes --------------------------------------------------------------------------------
namespace {

Layer gated_layer(const char* class_name, RecurrentOptions options, GatedCellOptions gates) {
  // The cell's arguments are the layer's, which messages name.
  check_gated_cell(
      options.name.empty() ? class_name : format(class_name, " \"", options.name, "\""), gates);
  auto cell = make_gated_cell(gates, cell_name(gates), options.dtype);
  const auto write_cell = [gates](Fields& fields) {
    GatedCellOptions copy = gates;
    describe(fields, copy);
  };
  return Layer(std::make_shared<RecurrentLayer>(class_name, std::move(options), std::move(cell),
                                                write_cell));
}

Layer read_gated(Fields& fields, const char* class_name, ops::RecurrentKind kind) {
  RecurrentOptions options;
  GatedCellOptions gates;
  gates.kind = kind;
  describe(fields, options);
  describe(fields, gates);
  fields.finish();
  return gated_layer(class_name, std::move(options), std::move(gates));
}

}  // namespace

Layer make_SimpleRNN(Fields& fields) {
  return read_gated(fields, "SimpleRNN", ops::RecurrentKind::simple);
}
Layer make_LSTM(Fields& fields) { return read_gated(fields, "LSTM", ops::RecurrentKind::lstm); }
Layer make_GRU(Fields& fields) { return read_gated(fields, "GRU", ops::RecurrentKind::gru); }

Layer make_RNN(Fields& fields) {
  RecurrentOptions options;
  Config cell;
  describe(fields, options);
  fields.required("cell", cell);
  fields.finish();
  const Layer made =
      Fields::with_place(fields.place() + ".cell", [&] { return layer_from_config(cell); });
  return Layer(std::make_shared<RecurrentLayer>("RNN", std::move(options), cell_of(made, "RNN")));
}

}  // namespace layers

Layer SimpleRNN(std::int64_t units, SimpleRNNOptions options) {
  return layers::gated_layer("SimpleRNN", layers::recurrent_options(options),
                             layers::gated_cell(ops::RecurrentKind::simple, units, options));
}
Layer LSTM(std::int64_t units, LSTMOptions options) {
  return layers::gated_layer("LSTM", layers::recurrent_options(options),
                             layers::gated_cell(ops::RecurrentKind::lstm, units, options));
}
Layer GRU(std::int64_t units, GRUOptions options) {
  return layers::gated_layer("GRU", layers::recurrent_options(options),
                             layers::gated_cell(ops::RecurrentKind::gru, units, options));
}

Layer RNN(Layer cell, RNNOptions options) {
  return Layer(std::make_shared<layers::RecurrentLayer>("RNN", layers::recurrent_options(options),
                                                        layers::cell_of(cell, "RNN")));
}
Layer RNN(std::vector<Layer> cells, RNNOptions options) {
  return RNN(StackedRNNCells(std::move(cells)), std::move(options));
}

}  // namespace stoker
