// SimpleRNNCell (Elman 1990), LSTMCell (Hochreiter, Schmidhuber 1997; with a forget gate, Gers et
// al. 2000) and GRUCell (Cho et al. 2014). Their input's product is computed for all steps at once,
// and one op takes the states through all steps where it knows the activations.
#include "layers/recurrent/gated_cell.h"

#include <array>
#include <utility>

#include "core/check.h"
#include "layers/registry.h"
#include "layers/regularization/noise.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace layers {

using graph::Expr;
using graph::Value;
using ops::GateFunction;
using ops::RecurrentKind;

void describe(Fields& fields, GatedCellOptions& cell) {
  fields.required("units", cell.units);
  fields("activation", cell.activation);
  if (cell.kind != RecurrentKind::simple) {
    fields("recurrent_activation", cell.recurrent_activation);
  }
  fields("use_bias", cell.use_bias);
  fields("kernel_initializer", cell.kernel_initializer);
  fields("recurrent_initializer", cell.recurrent_initializer);
  fields("bias_initializer", cell.bias_initializer);
  if (cell.kind == RecurrentKind::lstm) fields("unit_forget_bias", cell.unit_forget_bias);
  fields("kernel_regularizer", cell.kernel_regularizer);
  fields("recurrent_regularizer", cell.recurrent_regularizer);
  fields("bias_regularizer", cell.bias_regularizer);
  fields("kernel_constraint", cell.kernel_constraint);
  fields("recurrent_constraint", cell.recurrent_constraint);
  fields("bias_constraint", cell.bias_constraint);
  fields("dropout", cell.dropout);
  fields("recurrent_dropout", cell.recurrent_dropout);
  if (cell.is_gru()) fields("reset_after", cell.reset_after);
  fields("seed", cell.seed);
  // These say how Keras computes a step.
  fields.ignored({"implementation", "use_cudnn"});
}

void check_gated_cell(const std::string& label, const GatedCellOptions& options) {
  check::require(label, "units", options.units, check::at_least(1));
  check::require(label, "a dropout", options.dropout, check::half_open(0, 1));
  check::require(label, "a recurrent_dropout", options.recurrent_dropout, check::half_open(0, 1));
}

Value shared_dropout(BuildContext& context, const std::optional<std::uint64_t>& seed,
                     const Shape& shape, double rate, std::uint32_t purpose) {
  const std::uint32_t stream = noise_stream(context, seed, purpose);
  graph::Expression expression;
  expression.add_output(dropout_mask(uniform(&expression, stream), rate).id);
  return ops::pointwise(context.graph(), shape, {}, expression)[0];
}

namespace {

const char* class_of(RecurrentKind kind) {
  if (kind == RecurrentKind::simple) return "SimpleRNNCell";
  return kind == RecurrentKind::lstm ? "LSTMCell" : "GRUCell";
}

std::optional<GateFunction> gate_function(const ActivationFunction& function) {
  constexpr std::array<std::pair<const char*, GateFunction>, 5> kFunctions{
      {{"linear", GateFunction::linear},
       {"relu", GateFunction::relu},
       {"sigmoid", GateFunction::sigmoid},
       {"hard_sigmoid", GateFunction::hard_sigmoid},
       {"tanh", GateFunction::tanh}}};
  for (const auto& [name, gate] : kFunctions) {
    if (function.config() == Config(name)) return gate;
  }
  return std::nullopt;
}

struct GatedCellArguments {
  NameOptions options{};
  GatedCellOptions cell{};
};

class GatedCell final : public DescribedLayer<GatedCellArguments, CellLayer> {
 public:
  explicit GatedCell(GatedCellArguments arguments)
      : DescribedLayer(class_of(arguments.cell.kind), std::move(arguments)) {
    check_gated_cell(label(), cell_);
  }

  std::size_t state_count() const override { return kind() == RecurrentKind::lstm ? 2 : 1; }

  std::vector<Shape> state_shapes(Value x) const override {
    return std::vector<Shape>(state_count(), Shape{x.shape()[0], cell_.units});
  }

  Step begin(BuildContext& context, Value& x) override {
    const Weights weights = project(context, x);
    std::vector<Value> kernels;
    std::vector<Value> drops;
    const bool drops_states = context.training() && cell_.recurrent_dropout > 0.0;
    for (std::uint32_t gate = 0; gate < gates() && drops_states; ++gate) {
      drops.push_back(shared_dropout(context, cell_.seed, {x.shape()[0], cell_.units},
                                     cell_.recurrent_dropout, 1 + gate));
    }
    const bool is_split = drops_states || kind() == RecurrentKind::gru_reset_before;
    if (is_split) kernels = ops::split(weights.recurrent_kernel, 1, gates());
    return [=, this](Value product_of_x, const States& states) {
      const std::vector<Value> xs = ops::split(product_of_x, 1, gates());
      const auto dropped = [&](std::size_t gate) {
        if (!drops_states) return states[0];
        return ops::cast(ops::multiply(states[0], drops[gate]), states[0].dtype());
      };
      std::vector<Value> products;
      if (!is_split) {
        Value all = ops::matmul(states[0], weights.recurrent_kernel);
        if (weights.recurrent_bias) all = ops::add(all, weights.recurrent_bias);
        products = ops::split(all, 1, gates());
      }
      const auto product = [&](std::size_t gate, Value state) {
        if (!is_split) return products[gate];
        Value one = ops::matmul(state, kernels[gate]);
        if (weights.recurrent_bias) {
          const auto first = static_cast<std::int64_t>(gate) * cell_.units;
          one = ops::add(one, ops::slice(weights.recurrent_bias, 0, first, cell_.units));
        }
        return one;
      };
      return step(xs, states, dropped, product);
    };
  }

  SequenceResult run(BuildContext& context, Value x, const States& states, Value mask,
                     const SequenceOptions& options) override {
    const auto activation = gate_function(cell_.activation);
    const auto recurrent = gate_function(cell_.recurrent_activation);
    const bool drops_states = context.training() && cell_.recurrent_dropout > 0.0;
    if (!activation || !recurrent || drops_states) {
      return CellLayer::run(context, x, states, mask, options);
    }
    const Weights weights = project(context, x);
    ops::RecurrenceAttributes attributes;
    attributes.kind = kind();
    attributes.activation = *activation;
    attributes.recurrent_activation = *recurrent;
    attributes.is_backwards = options.is_backwards;
    attributes.in_order_of_input = options.in_order_of_input;
    attributes.has_sequence = options.returns_sequence;
    const ops::RecurrenceResult result =
        ops::recurrence({.x = x,
                         .recurrent_kernel = weights.recurrent_kernel,
                         .state = states.empty() ? Value{} : states[0],
                         .cell = states.size() > 1 ? states[1] : Value{},
                         .recurrent_bias = weights.recurrent_bias,
                         .mask = mask},
                        attributes);
    SequenceResult all{result.last, result.sequence, {result.last}};
    if (result.cell) all.states.push_back(result.cell);
    return all;
  }

 private:
  // What the steps need of the weights.
  struct Weights {
    Value recurrent_kernel, recurrent_bias{};
  };

  RecurrentKind kind() const {
    if (!cell_.is_gru()) return cell_.kind;
    return cell_.reset_after ? RecurrentKind::gru : RecurrentKind::gru_reset_before;
  }
  std::uint32_t gates() const {
    if (kind() == RecurrentKind::simple) return 1;
    return kind() == RecurrentKind::lstm ? 4 : 3;
  }

  // Replaces x by its product with the kernel, plus the bias.
  Weights project(BuildContext& context, Value& x) const {
    const Shape in = x.shape();
    ops::require(in.rank() == 3, *x.graph,
                 "expected a sequence (batch, steps, features), received ", in);
    const std::int64_t columns = gates() * cell_.units, features = in[2];
    const Value kernel = context.weight({"kernel",
                                         {features, columns},
                                         cell_.kernel_initializer,
                                         cell_.kernel_regularizer,
                                         cell_.kernel_constraint});
    Weights weights{context.weight({"recurrent_kernel",
                                    {cell_.units, columns},
                                    cell_.recurrent_initializer,
                                    cell_.recurrent_regularizer,
                                    cell_.recurrent_constraint})};
    if (context.training() && cell_.dropout > 0.0) {
      const Value mask =
          shared_dropout(context, cell_.seed, {in[0], 1, features}, cell_.dropout, 0);
      x = ops::cast(ops::multiply(x, mask), x.dtype());
    }
    // The bias is there before the product, so that adding it may become a part of that.
    Value bias;
    if (cell_.use_bias) {
      bias = this->bias(context, columns);
      if (kind() == RecurrentKind::gru) {
        const std::vector<Value> both = ops::split(bias, 0, 2);
        bias = ops::reshape(both[0], {columns});
        weights.recurrent_bias = ops::reshape(both[1], {columns});
      }
    }
    const std::int64_t rows = in[0] < 0 ? Shape::kUnknown : in[0] * in[1];
    Value y = ops::matmul(ops::reshape(x, {rows, features}), kernel);
    if (bias) y = ops::add(y, bias);
    x = ops::reshape(y, {in[0], in[1], columns});
    return weights;
  }

  Value bias(BuildContext& context, std::int64_t columns) const {
    WeightSpec spec{
        "bias", {columns}, cell_.bias_initializer, cell_.bias_regularizer, cell_.bias_constraint};
    if (kind() == RecurrentKind::gru) spec.shape = {2, columns};
    if (kind() == RecurrentKind::lstm && cell_.unit_forget_bias) {
      spec.ones = {.first = cell_.units, .count = cell_.units};
    }
    return context.weight(spec);
  }

  template <class Dropped, class Product>
  States step(const std::vector<Value>& x, const States& before, const Dropped& dropped,
              const Product& product) const {
    const auto sum = [&](std::size_t gate, Value state) {
      return ops::add(x[gate], product(gate, state));
    };
    const auto gate = [&](std::size_t g) {
      return activate(sum(g, dropped(g)), cell_.recurrent_activation);
    };
    const auto mixed = [&](Value z, Value candidate) {
      return ops::map(z, before[0], candidate, [](Expr update, Expr state, Expr next) {
        return update * state + (1.0f - update) * next;
      });
    };
    switch (kind()) {
      case RecurrentKind::simple:
        return {activate(sum(0, dropped(0)), cell_.activation)};
      case RecurrentKind::gru: {
        const Value z = gate(0), r = gate(1);
        const Value reset = ops::multiply(r, product(2, dropped(2)));
        return {mixed(z, activate(ops::add(x[2], reset), cell_.activation))};
      }
      case RecurrentKind::gru_reset_before: {
        const Value z = gate(0), r = gate(1);
        const Value reset = ops::multiply(r, dropped(2));
        return {mixed(z, activate(sum(2, reset), cell_.activation))};
      }
      case RecurrentKind::lstm: {
        const Value i = gate(0), f = gate(1);
        const Value candidate = activate(sum(2, dropped(2)), cell_.activation);
        const Value o = gate(3);
        const Value cell = ops::add(ops::multiply(f, before[1]), ops::multiply(i, candidate));
        return {ops::multiply(o, activate(cell, cell_.activation)), cell};
      }
    }
    return {};
  }

  const GatedCellOptions& cell_ = arguments_.cell;
};

void describe(Fields& fields, GatedCellArguments& arguments) {
  describe_common(fields, arguments.options);
  describe(fields, arguments.cell);
}

Layer read_cell(Fields& fields, RecurrentKind kind) {
  GatedCellArguments arguments;
  arguments.cell.kind = kind;
  describe(fields, arguments);
  fields.finish();
  return Layer(std::make_shared<GatedCell>(std::move(arguments)));
}

}  // namespace

std::shared_ptr<CellLayer> make_gated_cell(GatedCellOptions options, std::string name,
                                           const std::string& dtype) {
  return std::make_shared<GatedCell>(
      GatedCellArguments{{std::move(name), dtype}, std::move(options)});
}

Layer make_SimpleRNNCell(Fields& fields) { return read_cell(fields, RecurrentKind::simple); }
Layer make_LSTMCell(Fields& fields) { return read_cell(fields, RecurrentKind::lstm); }
Layer make_GRUCell(Fields& fields) { return read_cell(fields, RecurrentKind::gru); }

}  // namespace layers

Layer SimpleRNNCell(std::int64_t units, SimpleRNNCellOptions options) {
  return Layer(layers::make_gated_cell(
      layers::gated_cell(ops::RecurrentKind::simple, units, options), options.name, options.dtype));
}
Layer LSTMCell(std::int64_t units, LSTMCellOptions options) {
  return Layer(layers::make_gated_cell(layers::gated_cell(ops::RecurrentKind::lstm, units, options),
                                       options.name, options.dtype));
}
Layer GRUCell(std::int64_t units, GRUCellOptions options) {
  return Layer(layers::make_gated_cell(layers::gated_cell(ops::RecurrentKind::gru, units, options),
                                       options.name, options.dtype));
}

}  // namespace stoker
