#include "train/saving/onnx_recurrence.h"

#include "ops/ops.h"

namespace stoker::train {

namespace {

using ops::GateFunction;
using ops::RecurrentKind;

// States and gates are [batch, 1, units], with the step as an axis of its own.
class Unrolled {
 public:
  Unrolled(io::OnnxGraph& onnx, const graph::Graph& graph, const graph::Node& node,
           const std::vector<std::string>& inputs)
      : onnx_(onnx),
        attributes_(ops::attributes_of<ops::RecurrenceAttributes>(node)),
        at_(attributes_),
        inputs_(inputs),
        steps_(graph.info(node.inputs[0]).type.shape[1]),
        units_(graph.info(node.inputs[1]).type.shape[0]) {}

  std::vector<std::string> append() {
    begin();
    std::vector<std::string> sequence(static_cast<std::size_t>(steps_));
    for (std::int64_t step = 0; step < steps_; ++step) {
      const std::int64_t time = attributes_.is_backwards ? steps_ - 1 - step : step;
      const std::string before = state_, cell_before = cell_;
      take(part(input(at_.x), 1, time, 1));
      if (at_.mask >= 0) {
        const std::string mask = reshaped(part(input(at_.mask), 1, time, 1), {0, 1, 1});
        const std::string is_out = onnx_.node("Equal", {mask, onnx_.constant(0.0f)});
        state_ = onnx_.node("Where", {is_out, before, state_});
        if (!cell_.empty()) cell_ = onnx_.node("Where", {is_out, cell_before, cell_});
      }
      sequence[static_cast<std::size_t>(attributes_.in_order_of_input ? time : step)] = state_;
    }
    std::vector<std::string> outputs{reshaped(state_, {0, units_})};
    if (attributes_.has_cell()) outputs.push_back(reshaped(cell_, {0, units_}));
    if (attributes_.has_sequence) {
      outputs.push_back(onnx_.node("Concat", sequence, {{"axis", std::int64_t{1}}}));
    }
    return outputs;
  }

 private:
  const std::string& input(int place) const { return inputs_[static_cast<std::size_t>(place)]; }
  std::string part(const std::string& x, std::int64_t axis, std::int64_t first,
                   std::int64_t count) {
    return onnx_.node(
        "Slice", {x, onnx_.constant(std::vector{first}), onnx_.constant(std::vector{first + count}),
                  onnx_.constant(std::vector{axis})});
  }
  std::string reshaped(const std::string& x, std::vector<std::int64_t> extents) {
    return onnx_.node("Reshape", {x, onnx_.constant(extents)});
  }
  std::string add(const std::string& a, const std::string& b) { return onnx_.node("Add", {a, b}); }
  std::string multiply(const std::string& a, const std::string& b) {
    return onnx_.node("Mul", {a, b});
  }

  void begin() {
    if (at_.state >= 0) {
      state_ = reshaped(input(at_.state), {0, 1, units_});
      if (at_.cell >= 0) cell_ = reshaped(input(at_.cell), {0, 1, units_});
      return;
    }
    // The batch is unknown, so that zeros have to come from something that is as large.
    const std::string some = part(part(input(at_.x), 1, 0, 1), 2, 0, units_);
    state_ = onnx_.node("Sub", {some, some});
    if (attributes_.has_cell()) cell_ = state_;
  }

  std::string apply(GateFunction function, const std::string& x) {
    switch (function) {
      case GateFunction::linear:
        return x;
      case GateFunction::relu:
        return onnx_.node("Relu", {x});
      case GateFunction::sigmoid:
        return onnx_.node("Sigmoid", {x});
      case GateFunction::hard_sigmoid:
        return onnx_.node("Clip",
                          {add(multiply(x, onnx_.constant(1.0f / 6.0f)), onnx_.constant(0.5f)),
                           onnx_.constant(0.0f), onnx_.constant(1.0f)});
      case GateFunction::tanh:
        return onnx_.node("Tanh", {x});
    }
    return x;
  }
  std::string active(const std::string& x) { return apply(attributes_.activation, x); }
  std::string gate(const std::string& sums, std::int64_t number) {
    return apply(attributes_.recurrent_activation, of_gate(sums, number));
  }
  std::string of_gate(const std::string& columns, std::int64_t number) {
    return part(columns, 2, number * units_, units_);
  }
  std::string mixed(const std::string& update, const std::string& candidate) {
    const std::string rest = onnx_.node("Sub", {onnx_.constant(1.0f), update});
    return add(multiply(update, state_), multiply(rest, candidate));
  }

  // Takes the step of x [batch, 1, gates].
  void take(const std::string& x) {
    const std::string& kernel = input(at_.recurrent_kernel);
    if (attributes_.kind == RecurrentKind::gru_reset_before) {
      const std::string gates = part(kernel, 1, 0, 2 * units_);
      const std::string sums =
          add(part(x, 2, 0, 2 * units_), onnx_.node("MatMul", {state_, gates}));
      const std::string reset = multiply(gate(sums, 1), state_);
      const std::string of_candidate = part(kernel, 1, 2 * units_, units_);
      const std::string product = onnx_.node("MatMul", {reset, of_candidate});
      state_ = mixed(gate(sums, 0), active(add(of_gate(x, 2), product)));
      return;
    }
    std::string product = onnx_.node("MatMul", {state_, kernel});
    if (at_.recurrent_bias >= 0) product = add(product, input(at_.recurrent_bias));
    if (attributes_.kind == RecurrentKind::gru) {
      const std::string sums = add(part(x, 2, 0, 2 * units_), part(product, 2, 0, 2 * units_));
      const std::string reset = multiply(gate(sums, 1), of_gate(product, 2));
      state_ = mixed(gate(sums, 0), active(add(of_gate(x, 2), reset)));
      return;
    }
    const std::string sums = add(x, product);
    if (attributes_.kind == RecurrentKind::simple) {
      state_ = active(sums);
      return;
    }
    cell_ = add(multiply(gate(sums, 1), cell_), multiply(gate(sums, 0), active(of_gate(sums, 2))));
    state_ = multiply(gate(sums, 3), active(cell_));
  }

  io::OnnxGraph& onnx_;
  const ops::RecurrenceAttributes& attributes_;
  const ops::RecurrencePlaces at_;
  const std::vector<std::string>& inputs_;
  const std::int64_t steps_, units_;
  std::string state_, cell_;
};

}  // namespace

std::vector<std::string> append_onnx_recurrence(io::OnnxGraph& onnx, const graph::Graph& graph,
                                                const graph::Node& node,
                                                const std::vector<std::string>& inputs) {
  return Unrolled(onnx, graph, node, inputs).append();
}

}  // namespace stoker::train
