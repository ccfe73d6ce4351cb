// Runs a program on the CPU. Kernels are made once and pointers resolved once; then a step is one
// call for each node.
#include <algorithm>
#include <cstring>

#include "backend/backend.h"
#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/runtime/arena.h"
#include "backend/cpu/runtime/dispatch.h"
#include "backend/cpu/runtime/dnn.h"
#include "core/check.h"
#include "core/format.h"
#include "ops/ops.h"
#include "plan/passes.h"

namespace stoker::backend {

namespace cpu {
namespace {

// A node with fewer multiply-adds and bytes than this is faster on one thread than on two, since
// waking a worker takes a few microseconds.
constexpr double kParallelOperations = 400e3;
constexpr double kParallelBytes = 128.0 * 1024.0;

double operations_of(const graph::Graph& graph, const graph::Node& node) {
  const graph::Traits::MultiplyAdds multiply_adds = node.op->traits.multiply_adds;
  return multiply_adds != nullptr ? multiply_adds(graph, node) : 0.0;
}

double bytes_of(const graph::Graph& graph, const graph::Node& node) {
  double bytes = 0.0;
  const auto add = [&](graph::ValueId id) {
    const auto& type = graph.info(id).type;
    bytes += static_cast<double>(type.shape.elements()) * static_cast<double>(size_of(type.dtype));
  };
  for (const auto id : node.inputs) add(id);
  for (const auto id : node.outputs) add(id);
  return bytes;
}

class CpuExecutable final : public Executable, private device::Work {
 public:
  CpuExecutable(std::unique_ptr<graph::Graph> graph, const std::vector<graph::ValueId>& keep,
                ComputeArena& parallel, ComputeArena& serial) {
    const auto count = static_cast<graph::NodeId>(graph->nodes().size());
    kernels_.resize(graph->nodes().size());
    const auto is_wide = [&](const graph::Node& node) {
      return parallel.threads() > 1 && (operations_of(*graph, node) > kParallelOperations ||
                                        bytes_of(*graph, node) > kParallelBytes);
    };
    const bool any_wide = std::any_of(graph->nodes().begin(), graph->nodes().end(), is_wide);
    // A library's primitive divides its work for the arena that it is made in, so it has to run
    // there.
    arena_ = any_wide ? &parallel : &serial;
    arena_->execute([&] {
      for (graph::NodeId id = 0; id < count; ++id) {
        const graph::Node& node = graph->node(id);
        const KernelRequest request{*graph, node, id, is_wide(node) ? arena_->threads() : 1};
        kernels_[static_cast<std::size_t>(id)] = cpu_op(node).make_kernel(request);
      }
    });
    for (const auto& kernel : kernels_) primitives_ += kernel->primitives();
    in_arena_ = any_wide || primitives_ > 0;
    program_ = plan::lay_out(std::move(graph), keep, [&](graph::NodeId id) {
      return kernels_[static_cast<std::size_t>(id)]->workspace_bytes();
    });
    collect_inputs();
  }

  const plan::Program& program() const override { return program_; }
  int primitives() const override { return primitives_; }
  const std::byte* address(graph::ValueId value) const override {
    return static_cast<const std::byte*>(values_[static_cast<std::size_t>(value)]);
  }

  void bind(const Memory& memory) override {
    const graph::Graph& graph = *program_.graph;
    values_.assign(graph.value_count(), nullptr);
    for (std::size_t v = 0; v < values_.size(); ++v) {
      graph::Home home = graph.info(static_cast<graph::ValueId>(v)).home;
      home.offset = program_.offsets[v];
      values_[v] = memory.at(home);  // null for inputs, which run() sets
    }
    scalars_ = memory.scalars;
    workspaces_.resize(kernels_.size());
    for (std::size_t i = 0; i < kernels_.size(); ++i) {
      workspaces_[i] = memory.arena + program_.workspaces[i];
    }
  }

  void run(device::Stream& stream, device::RingState* ring) override {
    // A step on another ring first waits for the steps before it, which read ring_.
    if (ring != ring_) {
      stream.synchronize();
      ring_ = ring;
    }
    stream.launch(*this);
  }

  void run_checked(device::Stream& stream, device::RingState* ring,
                   const Inspect& inspect) override {
    stream.synchronize();
    ring_ = ring;
    if (!ingest()) return;
    const graph::Graph& graph = *program_.graph;
    for (std::size_t i = 0; i < kernels_.size(); ++i) {
      arena_->execute([&] { run_node(i); });
      const graph::Node& node = graph.nodes()[i];
      for (const auto id : node.outputs) {
        inspect(node, graph.info(id), values_[static_cast<std::size_t>(id)]);
      }
    }
  }

 private:
  // This overrides device::Work.
  void run() override {
    if (!ingest()) return;
    const auto all = [this] {
      for (std::size_t i = 0; i < kernels_.size(); ++i) run_node(i);
    };
    if (in_arena_) {
      arena_->execute(all);
    } else {
      const FlushDenormals flush;
      all();
    }
  }

  // Finds the batch at the ring's cursor. A slot that holds another batch is an error of the feed,
  // which is recorded; the step is then left out, and the function returns false.
  bool ingest() {
    std::byte* block = ring_->blocks[ring_->cursor % static_cast<std::uint64_t>(ring_->slots)];
    const auto* header = reinterpret_cast<const device::SlotHeader*>(block);
    const bool expected = header->sequence == ring_->cursor;
    if (!expected && scalars_->error == plan::StepError::none) {
      scalars_->error = plan::StepError::wrong_batch;
      scalars_->error_detail = static_cast<std::int64_t>(header->sequence);
      scalars_->error_row = static_cast<std::int64_t>(ring_->cursor);
    }
    ++ring_->cursor;
    point_inputs(block);
    return expected;
  }

  void run_node(std::size_t i) { kernels_[i]->run({values_.data(), scalars_, workspaces_[i]}); }

  void collect_inputs() {
    for (std::size_t v = 0; v < program_.graph->value_count(); ++v) {
      if (program_.graph->info(static_cast<graph::ValueId>(v)).home.space == graph::Space::input) {
        inputs_.push_back(v);
      }
    }
  }

  void point_inputs(std::byte* input) {
    for (const std::size_t v : inputs_) values_[v] = input + program_.offsets[v];
  }

  ComputeArena* arena_ = nullptr;  // the backend's arena in which the kernels are made and run
  plan::Program program_;
  std::vector<std::unique_ptr<Kernel>> kernels_;
  std::vector<void*> values_;
  std::vector<std::byte*> workspaces_;
  std::vector<std::size_t> inputs_;
  plan::Scalars* scalars_ = nullptr;
  device::RingState* ring_ = nullptr;
  bool in_arena_ = false;
  int primitives_ = 0;
};

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(int threads) : parallel_(threads), serial_(1) {}

  std::string arithmetic() const override {
    return format("cpu, ", kernels().name, ", ", dnn_version(), ", ", parallel_.threads(),
                  parallel_.threads() == 1 ? " thread" : " threads");
  }

  std::unique_ptr<Executable> compile(std::unique_ptr<graph::Graph> graph,
                                      std::vector<graph::ValueId> keep,
                                      CompileOptions options) override {
    const plan::Target target{
        .runs_in_16_bits = runs_in_bfloat16, .takes_tail = takes_tail, .sums_bias_gradients = true};
    plan::widen(*graph, target.runs_in_16_bits);
    if (options.optimize) plan::optimize(*graph, keep, target);
    return std::make_unique<CpuExecutable>(std::move(graph), keep, parallel_, serial_);
  }

 private:
  ComputeArena parallel_;
  ComputeArena serial_;
};

}  // namespace
}  // namespace cpu

std::unique_ptr<Backend> make_cpu_backend(int threads) {
  check::require("ModelOptions", "threads", threads, check::closed(0, cpu::kMostThreads));
  return std::make_unique<cpu::CpuBackend>(threads > 0 ? threads : cpu::default_threads());
}

}  // namespace stoker::backend
