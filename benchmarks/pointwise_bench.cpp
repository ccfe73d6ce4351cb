// Measures pointwise, reduction and softmax kernels of the CPU backend, in GB/s of memory read and
// written.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "backend/cpu/ops/kernel.h"
#include "graph/graph.h"
#include "ops/ops.h"

namespace {

using namespace stoker;  // NOLINT(google-build-using-namespace)
using backend::cpu::Kernel;
using graph::Expr;
using graph::Expression;
using graph::ExprOp;
using graph::Graph;
using graph::Value;

Value leaf(Graph& graph, Shape shape, DType dtype = DType::float32) {
  return graph.leaf("x", {dtype, shape}, {.space = graph::Space::input});
}

// Runs the graph's last node on memory of its own.
class Node {
 public:
  using Maker = std::unique_ptr<Kernel> (*)(const backend::cpu::KernelRequest&);

  Node(const Graph& graph, Maker make) : graph_(graph), values_(graph.value_count()) {
    const auto id = static_cast<graph::NodeId>(graph.nodes().size()) - 1;
    kernel_ = make({graph, graph.node(id), id, 1});
    for (std::size_t i = 0; i < values_.size(); ++i) {
      const graph::ValueType& type = graph.info(static_cast<graph::ValueId>(i)).type;
      const auto bytes = static_cast<std::size_t>(type.shape.elements()) * size_of(type.dtype);
      bytes_ += bytes;
      values_[i] = allocate(bytes);
      if (type.dtype != DType::float32) continue;
      for (std::size_t k = 0; k < bytes / 4; ++k) {
        static_cast<float*>(values_[i])[k] = static_cast<float>(k % 17) * 0.25f - 1.0f;
      }
    }
    workspace_ = static_cast<std::byte*>(allocate(kernel_->workspace_bytes()));
  }

  void alias(Value output, Value input) {
    values_[static_cast<std::size_t>(output.id)] = values_[static_cast<std::size_t>(input.id)];
  }

  // Values have to be finite, because an update that is not takes another, slow path.
  void set_to_one(Value value) {
    const graph::ValueType& type = graph_.info(value.id).type;
    void* memory = values_[static_cast<std::size_t>(value.id)];
    for (std::int64_t k = 0; k < type.shape.elements(); ++k) {
      if (type.dtype == DType::int32) static_cast<std::int32_t*>(memory)[k] = 1;
      if (type.dtype == DType::float32) static_cast<float*>(memory)[k] = 1.0f;
    }
  }

  void measure(benchmark::State& state) {
    const backend::cpu::Run run{values_.data(), &scalars_, workspace_};
    for (auto _ : state) {
      kernel_->run(run);
      benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes_));
  }

 private:
  void* allocate(std::size_t bytes) {
    const std::size_t size = (bytes / 64 + 1) * 64;
    memory_.emplace_back(std::aligned_alloc(64, size));
    std::memset(memory_.back().get(), 0, size);
    return memory_.back().get();
  }
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };

  std::vector<std::unique_ptr<void, Free>> memory_;
  const Graph& graph_;
  std::vector<void*> values_;
  std::byte* workspace_ = nullptr;
  std::size_t bytes_ = 0;
  plan::Scalars scalars_;
  std::unique_ptr<Kernel> kernel_;
};

void relu_backward(benchmark::State& state) {
  Graph graph;
  const Value y = leaf(graph, {2'768'896}), dy = leaf(graph, {2'768'896});
  ops::map(y, dy, [](Expr a, Expr b) {
    return select(a, b, Expr{a.expression, a.expression->constant(0.0f)});
  });
  Node(graph, backend::cpu::pointwise_on_cpu.make_kernel).measure(state);
}
BENCHMARK(relu_backward)->UseRealTime();

// The update works on parameters, gradients and both slots, and reads learning rate and iteration
// number from the scalars.
void adam(benchmark::State& state) {
  Graph graph;
  const std::int64_t n = 225'034;
  std::vector<Value> inputs;
  const graph::Space spaces[] = {graph::Space::parameter, graph::Space::gradient,
                                 graph::Space::slot, graph::Space::slot};
  for (std::int32_t i = 0; i < 4; ++i) {
    inputs.push_back(graph.leaf("p", {DType::float32, {n}}, {.space = spaces[i], .index = i / 3}));
  }
  inputs.push_back(graph.leaf("rate", {DType::float32, {}}, {.space = graph::Space::scalar}));
  inputs.push_back(
      graph.leaf("iterations", {DType::int32, {}}, {.space = graph::Space::scalar, .offset = 8}));
  Expression e;
  const Expr p{&e, e.input(0)}, g{&e, e.input(1)}, m{&e, e.input(2)}, v{&e, e.input(3)},
      rate{&e, e.input(4)}, t{&e, e.input(5)};
  const auto beta = [&](float value) { return pow(Expr{&e, e.constant(value)}, t); };
  const Expr new_m = m + (g - m) * 0.1f;
  const Expr new_v = v + (square(g) - v) * 0.001f;
  const Expr alpha = rate * sqrt(1.0f - beta(0.999f)) / (1.0f - beta(0.9f));
  e.add_output((p - alpha * new_m / (sqrt(new_v) + 1e-7f)).id);
  e.add_output(new_m.id);
  e.add_output(new_v.id);
  ops::pointwise_into(inputs, e,
                      {{.space = graph::Space::parameter},
                       {.space = graph::Space::slot, .index = 0},
                       {.space = graph::Space::slot, .index = 1}},
                      {.ranges = {{.offset = 0, .count = n}},
                       .guard = stoker::ops::Guard::error,
                       .keeps_finite = true});
  Node node(graph, backend::cpu::pointwise_on_cpu.make_kernel);
  const auto& outputs = graph.nodes().back().outputs;
  for (const int i : {0, 1, 2}) {
    node.alias(graph.value(outputs[static_cast<std::size_t>(i)]),
               inputs[static_cast<std::size_t>(i == 0 ? 0 : i + 1)]);
  }
  for (const Value& input : inputs) node.set_to_one(input);
  node.measure(state);
}
BENCHMARK(adam)->UseRealTime();

void bias_gradient(benchmark::State& state) {
  Graph graph;
  ops::reduce_sum(leaf(graph, {86'528, state.range(0)}), {0});
  Node(graph, backend::cpu::reduce_on_cpu.make_kernel).measure(state);
}
BENCHMARK(bias_gradient)->Arg(10)->Arg(32)->Arg(256)->UseRealTime();

void sum_of_squares(benchmark::State& state) {
  Graph graph;
  Expression e;
  e.add_output(square(Expr{&e, e.input(0)}).id);
  ops::reduce(ops::ReduceKind::sum, {leaf(graph, {225'034})}, e, {0});
  Node(graph, backend::cpu::reduce_on_cpu.make_kernel).measure(state);
}
BENCHMARK(sum_of_squares)->UseRealTime();

void add_bias(benchmark::State& state) {
  Graph graph;
  ops::add(leaf(graph, {86'528, 32}), leaf(graph, {32}));
  Node(graph, backend::cpu::pointwise_on_cpu.make_kernel).measure(state);
}
BENCHMARK(add_bias)->UseRealTime();

void dropout(benchmark::State& state) {
  Graph graph;
  ops::map(leaf(graph, {225'000}), [](Expr x) {
    const Expr u{x.expression, x.expression->append({.op = ExprOp::uniform, .index = 1})};
    return select(less(u, 0.5f), Expr{x.expression, x.expression->constant(0.0f)}, x * 2.0f);
  });
  Node(graph, backend::cpu::pointwise_on_cpu.make_kernel).measure(state);
}
BENCHMARK(dropout)->UseRealTime();

void unary(benchmark::State& state) {
  const auto op = static_cast<ExprOp>(state.range(0));
  state.SetLabel(name_of(op));
  Graph graph;
  ops::map(leaf(graph, {4096}), [&](Expr x) { return apply(op, x); });
  Node(graph, backend::cpu::pointwise_on_cpu.make_kernel).measure(state);
}
BENCHMARK(unary)->DenseRange(static_cast<int>(ExprOp::neg), static_cast<int>(ExprOp::cos));

void softmax_cross_entropy(benchmark::State& state) {
  Graph graph;
  const Value logits = leaf(graph, {128, 10});
  ops::softmax_cross_entropy(logits, leaf(graph, {128}, DType::int32));
  Node(graph, backend::cpu::softmax_cross_entropy_on_cpu.make_kernel).measure(state);
}
BENCHMARK(softmax_cross_entropy);

void tiny_relu_backward(benchmark::State& state) {
  Graph graph;
  const std::int64_t n = state.range(0);
  const Value y = leaf(graph, {n}), dy = leaf(graph, {n});
  ops::map(y, dy, [](Expr a, Expr b) {
    return select(a, b, Expr{a.expression, a.expression->constant(0.0f)});
  });
  Node(graph, backend::cpu::pointwise_on_cpu.make_kernel).measure(state);
}
BENCHMARK(tiny_relu_backward)->Arg(4)->Arg(16)->Arg(20);

void tiny_tanh_chain(benchmark::State& state) {
  Graph graph;
  ops::map(leaf(graph, {16}), leaf(graph, {16}),
           [](Expr x, Expr y) { return tanh(x + y) * (1.0f - y) + 0.5f * x; });
  Node(graph, backend::cpu::pointwise_on_cpu.make_kernel).measure(state);
}
BENCHMARK(tiny_tanh_chain);

void tiny_sum(benchmark::State& state) {
  Graph graph;
  ops::reduce_mean(leaf(graph, {16}), {0});
  Node(graph, backend::cpu::reduce_on_cpu.make_kernel).measure(state);
}
BENCHMARK(tiny_sum);

}  // namespace

BENCHMARK_MAIN();
