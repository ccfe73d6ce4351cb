// Ops recurrence and recurrence_backward.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "core/format.h"
#include "ops/cases.h"
#include "stoker/error.h"
#include "support/message.h"

namespace stoker {
namespace {

using cases::OpCase;
using cases::OpInput;
using cases::size;
using cases::Tensors;
using cases::uniform;
using cases::Values;
using graph::Graph;
using graph::Value;
using ops::GateFunction;
using ops::RecurrentKind;

struct Problem {
  std::int64_t batch, steps, units;
  ops::RecurrenceAttributes attributes;
  std::vector<double> mask{};  // none where it is empty
  const char* note = "";
};

Problem problem(RecurrentKind kind, std::int64_t batch, std::int64_t steps, std::int64_t units) {
  Problem p{batch, steps, units, {}};
  p.attributes.kind = kind;
  p.attributes.has_sequence = true;
  return p;
}

std::string name_of(const Problem& p) {
  return format(p.batch, " x ", p.steps, " x ", p.units, ", ", p.attributes.text(), p.note);
}

double apply(GateFunction function, double x) {
  switch (function) {
    case GateFunction::linear:
      return x;
    case GateFunction::relu:
      return std::max(x, 0.0);
    case GateFunction::sigmoid:
      return 1.0 / (1.0 + std::exp(-x));
    case GateFunction::hard_sigmoid:
      return std::min(std::max(x + 3.0, 0.0), 6.0) / 6.0;
    case GateFunction::tanh:
      return std::tanh(x);
  }
  return x;
}

// The definitions, sample by sample and step by step.
class Reference {
 public:
  Reference(const Problem& problem, const Tensors& inputs)
      : p(problem), a(problem.attributes), at(problem.attributes), in(inputs) {}

  Tensors run() {
    const std::size_t n = size(p.units), steps = size(p.steps);
    last.assign(size(p.batch) * n, 0.0);
    last_cell = last;
    sequence.assign(size(p.batch) * steps * n, 0.0);
    for (std::size_t b = 0; b < size(p.batch); ++b) {
      h.assign(n, 0.0);
      c.assign(n, 0.0);
      for (std::size_t u = 0; u < n && a.has_state; ++u) {
        h[u] = in[size(at.state)][b * n + u];
        if (a.has_cell()) c[u] = in[size(at.cell)][b * n + u];
      }
      for (std::size_t step = 0; step < steps; ++step) {
        const std::size_t time = a.is_backwards ? steps - 1 - step : step;
        const bool counts = !a.has_mask || in[size(at.mask)][b * steps + time] != 0.0;
        if (counts) take(b * steps + time);
        const std::size_t place = b * steps + (a.in_order_of_input ? time : step);
        for (std::size_t u = 0; u < n; ++u) sequence[place * n + u] = h[u];
      }
      for (std::size_t u = 0; u < n; ++u) {
        last[b * n + u] = h[u];
        last_cell[b * n + u] = c[u];
      }
    }
    Tensors outputs{last};
    if (a.has_cell()) outputs.push_back(last_cell);
    if (a.has_sequence) outputs.push_back(sequence);
    return outputs;
  }

 private:
  // The state, or another vector, times the columns of a gate.
  double product(const Values& state, std::size_t gate, std::size_t unit) const {
    const std::size_t n = size(p.units), columns = n * size(a.gates());
    double sum = a.has_recurrent_bias ? in[size(at.recurrent_bias)][gate * n + unit] : 0.0;
    for (std::size_t k = 0; k < n; ++k) sum += state[k] * in[1][k * columns + gate * n + unit];
    return sum;
  }
  void take(std::size_t row) {
    const std::size_t n = size(p.units), columns = n * size(a.gates());
    const auto x = [&](std::size_t gate, std::size_t u) {
      return in[0][row * columns + gate * n + u];
    };
    const auto gate = [&](std::size_t g, std::size_t u) {
      return apply(a.recurrent_activation, x(g, u) + product(h, g, u));
    };
    Values next = h, next_cell = c, reset(n);
    for (std::size_t u = 0; u < n && a.kind == RecurrentKind::gru_reset_before; ++u) {
      reset[u] = gate(1, u) * h[u];
    }
    for (std::size_t u = 0; u < n; ++u) {
      switch (a.kind) {
        case RecurrentKind::simple:
          next[u] = apply(a.activation, x(0, u) + product(h, 0, u));
          break;
        case RecurrentKind::gru: {
          const double z = gate(0, u);
          const double candidate = apply(a.activation, x(2, u) + gate(1, u) * product(h, 2, u));
          next[u] = z * h[u] + (1.0 - z) * candidate;
          break;
        }
        case RecurrentKind::gru_reset_before: {
          const double z = gate(0, u);
          const double candidate = apply(a.activation, x(2, u) + product(reset, 2, u));
          next[u] = z * h[u] + (1.0 - z) * candidate;
          break;
        }
        case RecurrentKind::lstm:
          next_cell[u] =
              gate(1, u) * c[u] + gate(0, u) * apply(a.activation, x(2, u) + product(h, 2, u));
          next[u] = gate(3, u) * apply(a.activation, next_cell[u]);
          break;
      }
    }
    h = next;
    c = next_cell;
  }

  const Problem& p;
  const ops::RecurrenceAttributes& a;
  const ops::RecurrencePlaces at;
  const Tensors& in;
  Values h, c, last, last_cell, sequence;
};

std::vector<OpInput> inputs_of(const Problem& p) {
  const std::int64_t columns = p.attributes.gates() * p.units;
  const double reach = 1.0 / std::sqrt(static_cast<double>(p.units));
  std::vector<OpInput> inputs{uniform({p.batch, p.steps, columns}),
                              uniform({p.units, columns}, -reach, reach)};
  if (p.attributes.has_state) inputs.push_back(uniform({p.batch, p.units}));
  if (p.attributes.has_state && p.attributes.has_cell()) {
    inputs.push_back(uniform({p.batch, p.units}));
  }
  if (p.attributes.has_recurrent_bias) inputs.push_back(uniform({columns}));
  if (!p.mask.empty()) {
    inputs.push_back(cases::given({p.batch, p.steps}, p.mask));
    inputs.back().differentiable = false;
  }
  return inputs;
}

std::vector<Value> build(const Problem& p, std::span<const Value> in) {
  const ops::RecurrencePlaces at(p.attributes);
  const auto input = [&](int place) { return place < 0 ? Value{} : in[size(place)]; };
  const ops::RecurrenceResult result = ops::recurrence({.x = in[0],
                                                        .recurrent_kernel = in[1],
                                                        .state = input(at.state),
                                                        .cell = input(at.cell),
                                                        .recurrent_bias = input(at.recurrent_bias),
                                                        .mask = input(at.mask)},
                                                       p.attributes);
  std::vector<Value> outputs{result.last};
  if (result.cell) outputs.push_back(result.cell);
  if (p.attributes.has_sequence) outputs.push_back(result.sequence);
  return outputs;
}

OpCase recurrence(const Problem& p) {
  OpCase c;
  c.name = name_of(p);
  c.inputs = inputs_of(p);
  c.build = [p](Graph&, std::span<const Value> in) { return build(p, in); };
  c.reference = [p](const Tensors& in) { return Reference(p, in).run(); };
  c.terms = static_cast<double>(16 + p.units) * static_cast<double>(p.steps);
  c.magnitude = 1.0;
  c.gradient_terms = 4.0 * c.terms;
  c.gradient_magnitude = 4.0;
  c.differentiable_outputs = p.attributes.has_cell() ? 2 : 1;
  if (p.attributes.has_sequence) ++c.differentiable_outputs;
  return c;
}

// The gradients of x, the kernel and what else is differentiated, for given gradients of the
// outputs. The reference takes differences of the definition, which in float64 are far more exact
// than float32.
OpCase recurrence_backward(const Problem& p) {
  OpCase c;
  c.name = name_of(p);
  c.inputs = inputs_of(p);
  const std::size_t given = c.inputs.size();
  std::vector<std::size_t> differentiated;
  for (std::size_t i = 0; i < given; ++i) {
    if (c.inputs[i].differentiable) differentiated.push_back(i);
  }
  c.inputs.push_back(uniform({p.batch, p.units}));
  if (p.attributes.has_cell()) c.inputs.push_back(uniform({p.batch, p.units}));
  if (p.attributes.has_sequence) c.inputs.push_back(uniform({p.batch, p.steps, p.units}));
  c.build = [=](Graph& graph, std::span<const Value> in) {
    build(p, in.first(given));
    const auto id = static_cast<graph::NodeId>(graph.nodes().size()) - 1;
    const graph::Node node = graph.node(id);
    std::vector<Value> dy(in.begin() + static_cast<std::ptrdiff_t>(given), in.end());
    dy.resize(node.outputs.size());
    const std::vector<Value> all = node.op->gradient(graph, id, dy);
    std::vector<Value> wanted;
    for (const std::size_t i : differentiated) wanted.push_back(all[i]);
    return wanted;
  };
  c.reference = [=](const Tensors& in) {
    const Tensors own(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(given));
    const auto loss = [&](const Tensors& at) {
      const Tensors outputs = Reference(p, at).run();
      double sum = 0.0;
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        for (std::size_t k = 0; k < outputs[i].size(); ++k) {
          sum += outputs[i][k] * in[given + i][k];
        }
      }
      return sum;
    };
    Tensors gradients;
    for (const std::size_t i : differentiated) {
      Tensors moved = own;
      Values gradient;
      for (std::size_t k = 0; k < own[i].size(); ++k) {
        constexpr double kStep = 1e-5;
        moved[i][k] = own[i][k] + kStep;
        const double above = loss(moved);
        moved[i][k] = own[i][k] - kStep;
        gradient.push_back((above - loss(moved)) / (2.0 * kStep));
        moved[i][k] = own[i][k];
      }
      gradients.push_back(gradient);
    }
    return gradients;
  };
  c.terms = 4.0 * static_cast<double>(16 + p.units) * static_cast<double>(p.steps);
  c.magnitude = 4.0;
  c.differentiable_outputs = 0;
  return c;
}

constexpr RecurrentKind kKinds[] = {RecurrentKind::simple, RecurrentKind::gru,
                                    RecurrentKind::gru_reset_before, RecurrentKind::lstm};

std::vector<Problem> small_problems() {
  std::vector<Problem> all;
  for (const RecurrentKind kind : kKinds) {
    all.push_back(problem(kind, 3, 4, 5));

    Problem backwards = problem(kind, 2, 3, 4);
    backwards.attributes.is_backwards = true;
    backwards.attributes.has_state = true;
    // Holes, a step left out at either end, and a sample that is left out as a whole.
    backwards.mask = {1, 0, 1, 0, 0, 0};
    backwards.attributes.has_mask = true;
    backwards.attributes.has_recurrent_bias = kind == RecurrentKind::gru;
    all.push_back(backwards);

    Problem in_order = problem(kind, 2, 3, 2);
    in_order.attributes.is_backwards = true;
    in_order.attributes.in_order_of_input = true;
    in_order.mask = {0, 1, 1, 1, 1, 0};
    in_order.attributes.has_mask = true;
    all.push_back(in_order);

    Problem others = problem(kind, 1, 2, 3);
    others.attributes.activation = GateFunction::linear;
    others.attributes.recurrent_activation = GateFunction::hard_sigmoid;
    others.attributes.has_sequence = false;
    all.push_back(others);
  }
  Problem relu = problem(RecurrentKind::lstm, 2, 2, 1);
  relu.attributes.activation = GateFunction::relu;
  relu.attributes.has_state = true;
  all.push_back(relu);
  return all;
}

std::vector<Problem> large_problems() {
  std::vector<Problem> all;
  for (const RecurrentKind kind : kKinds) {
    Problem p = problem(kind, 19, 3, 33);
    p.attributes.has_state = true;
    p.attributes.has_recurrent_bias = kind == RecurrentKind::gru;
    all.push_back(p);
    Problem predicts = problem(kind, 5, 3, 16);
    predicts.attributes.has_sequence = false;
    all.push_back(predicts);
  }
  all.push_back(problem(RecurrentKind::lstm, 130, 2, 20));
  all.push_back(problem(RecurrentKind::simple, 1, 40, 64));
  return all;
}

}  // namespace

std::vector<OpCase> cases::recurrence_cases() {
  std::vector<OpCase> all;
  for (const Problem& p : small_problems()) all.push_back(recurrence(p));
  for (const Problem& p : large_problems()) all.push_back(recurrence(p));
  return all;
}

std::vector<OpCase> cases::recurrence_backward_cases() {
  std::vector<OpCase> all;
  for (const Problem& p : small_problems()) all.push_back(recurrence_backward(p));
  return all;
}

namespace {

TEST(Recurrence, wants_a_kernel_and_a_mask_that_fit) {
  Graph graph;
  const auto leaf = [&](Shape shape) { return graph.leaf("x", {DType::float32, shape}, {}); };
  const auto call = [&](ops::RecurrenceInputs inputs) {
    return test::message_of<ShapeError>([&] { ops::recurrence(inputs, {}); });
  };
  EXPECT_EQ(call({leaf({2, 3, 4}), leaf({3, 12})}),
            "recurrence: a kernel of (3, 12) and a sequence of (2, 3, 4) do not fit 4 gates");
  EXPECT_EQ(call({.x = leaf({2, 3, 12}), .recurrent_kernel = leaf({3, 12}), .mask = leaf({2, 4})}),
            "recurrence: expected a mask of (2, 3), received (2, 4)");
  EXPECT_EQ(call({.x = leaf({2, 3, 12}), .recurrent_kernel = leaf({3, 12}), .state = leaf({2, 3})}),
            "recurrence: expected a cell beside the state of an LSTM, and of nothing else");
}

}  // namespace
}  // namespace stoker
