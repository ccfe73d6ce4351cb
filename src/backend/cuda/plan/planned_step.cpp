#include "backend/cuda/plan/planned_step.h"

#include <cstring>
#include <numeric>
#include <utility>

#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lower.h"
#include "backend/cuda/plan/passes.h"
#include "core/align.h"
#include "plan/passes.h"

namespace stoker::backend::cuda {

using graph::NodeId;
using graph::Space;
using graph::ValueId;

namespace {

std::vector<NodeId> each_alone(const graph::Graph& graph) {
  std::vector<NodeId> last(graph.nodes().size());
  std::iota(last.begin(), last.end(), 0);
  return last;
}

}  // namespace

PlannedStep plan_step(std::unique_ptr<graph::Graph> graph, const std::vector<ValueId>& keep,
                      const CompileOptions& options, DnnCompiler& dnn) {
  const Accepts accepts = [&](const DnnSpec& spec) {
    DnnSpec asked = spec;
    asked.tf32 = options.tf32;
    return accepted_product(asked, dnn).has_value();
  };
  // The gradient of a bias stays a reduce, since cuDNN does not compute it beside the kernel's
  // gradient, and reduces share launches.
  const plan::Target target{.runs_in_16_bits =
                                [&](const graph::Graph& asked, const graph::Node& node) {
                                  const CudaOp& op = cuda_op(node);
                                  return op.elements == Elements::any_type ||
                                         (op.spec != nullptr && accepts(spec_of(asked, node)));
                                },
                            .takes_tail =
                                [&](const graph::Graph& asked, const graph::Node& node) {
                                  const CudaOp::TakesTail takes = cuda_op(node).takes_tail;
                                  return takes != nullptr && takes(asked, node, accepts);
                                },
                            .inlines_scalars = true};
  plan::widen(*graph, target.runs_in_16_bits);
  if (options.optimize) plan::optimize(*graph, keep, target);
  const auto last_of_group = options.optimize ? group_nodes(*graph) : each_alone(*graph);
  PlannedStep step;
  step.plan = lower(*graph, last_of_group, dnn, {.tf32 = options.tf32});
  step.program = plan::lay_out(
      std::move(graph), keep,
      [&](NodeId node) { return step.plan.workspace_bytes[static_cast<std::size_t>(node)]; },
      last_of_group);
  step.input_offset = aligned(step.program.arena_bytes);
  step.program.arena_bytes =
      step.input_offset + aligned(step.plan.input_end - step.plan.input_begin);
  return step;
}

StepExecutable::StepExecutable(PlannedStep step, std::byte* counters)
    : step_(std::move(step)), counters_(counters), bound_(step_.plan.launches.size()) {}

void StepExecutable::bind(const Memory& memory) {
  memory_ = memory;
  is_resolved_ = false;
}

std::byte* StepExecutable::value(ValueId value) const {
  graph::Home home = step_.program.graph->info(value).home;
  home.offset = step_.program.offsets[static_cast<std::size_t>(value)];
  if (home.space != Space::input) return memory_.at(home);
  return memory_.arena + step_.input_offset - step_.plan.input_begin + home.offset;
}

std::byte* StepExecutable::pointer(const Operand& operand) const {
  switch (operand.place) {
    case Operand::Place::null:
      return nullptr;
    case Operand::Place::value:
      return value(operand.value) + operand.offset;
    case Operand::Place::workspace:
      return memory_.arena + step_.program.workspaces[static_cast<std::size_t>(operand.node)] +
             operand.offset;
    case Operand::Place::input:
      return memory_.arena + step_.input_offset - step_.plan.input_begin + operand.offset;
    case Operand::Place::counters:
      return counters_ + operand.offset;
    case Operand::Place::scalars:
      return reinterpret_cast<std::byte*>(memory_.scalars) + operand.offset;
    case Operand::Place::ring:
      return reinterpret_cast<std::byte*>(ring_) + operand.offset;
  }
  return nullptr;
}

void StepExecutable::resolve(device::RingState* ring) {
  if (!is_stale(ring)) return;
  ring_ = ring;
  const auto fill = [&](const Arguments& arguments) {
    std::vector<std::byte> bytes = arguments.bytes;
    for (const Arguments::Pointer& one : arguments.pointers) {
      const std::byte* to = pointer(one.to);
      std::memcpy(bytes.data() + one.at, &to, sizeof(to));
    }
    return bytes;
  };
  for (std::size_t i = 0; i < bound_.size(); ++i) {
    const auto& what = step_.plan.launches[i].what;
    if (const auto* kernel = std::get_if<KernelLaunch>(&what)) {
      bound_[i].arguments = fill(kernel->arguments);
    } else if (const auto* generated = std::get_if<GeneratedLaunch>(&what)) {
      bound_[i].arguments = fill(generated->arguments);
    } else if (const auto* dnn = std::get_if<DnnLaunch>(&what)) {
      bound_[i].dnn = {.a = pointer(dnn->a),
                       .b = pointer(dnn->b),
                       .bias = pointer(dnn->bias),
                       .aux = pointer(dnn->aux),
                       .y = pointer(dnn->y),
                       .workspace = pointer(dnn->workspace)};
    } else if (const auto* zero = std::get_if<ZeroLaunch>(&what)) {
      bound_[i].zero = pointer(zero->to);
    }
  }
  is_resolved_ = true;
  ++binding_;
}

const std::byte* StepExecutable::address(ValueId id) const { return value(id); }

void StepExecutable::run_checked(device::Stream& stream, device::RingState* ring,
                                 const Inspect& inspect) {
  stream.synchronize();
  resolve(ring);
  const graph::Graph& graph = *step_.program.graph;
  std::vector<std::byte> host;
  const auto show = [&](NodeId id) {
    const graph::Node& node = graph.node(id);
    for (const ValueId output : node.outputs) {
      const graph::ValueInfo& info = graph.info(output);
      host.resize(static_cast<std::size_t>(info.type.shape.elements()) * size_of(info.type.dtype));
      stream.copy_to_host(host.data(), value(output), host.size());
      stream.synchronize();
      inspect(node, info, host.data());
    }
  };
  const auto& launches = step_.plan.launches;
  for (std::size_t i = 0; i < launches.size(); ++i) {
    enqueue(stream, i);
    if (launches[i].first < 0) continue;
    const bool goes_on = i + 1 < launches.size() && launches[i + 1].first == launches[i].first;
    for (NodeId id = launches[i].first; !goes_on && id <= launches[i].last; ++id) show(id);
  }
}

std::vector<TimedLaunch> StepExecutable::run_timed(device::Device& device, device::Stream& stream,
                                                   device::RingState* ring,
                                                   const std::function<void()>& occupy) {
  stream.synchronize();
  resolve(ring);
  const auto& launches = step_.plan.launches;
  std::vector<std::unique_ptr<device::Event>> events;
  for (std::size_t i = 0; i <= launches.size(); ++i) events.push_back(device.make_timed_event());
  occupy();
  stream.record(*events[0]);
  for (std::size_t i = 0; i < launches.size(); ++i) {
    enqueue(stream, i);
    stream.record(*events[i + 1]);
  }
  stream.synchronize();
  std::vector<TimedLaunch> timed;
  for (std::size_t i = 0; i < launches.size(); ++i) {
    const auto& what = launches[i].what;
    timed.push_back({.label = launches[i].label,
                     .engine = std::holds_alternative<KernelLaunch>(what)      ? "kernel"
                               : std::holds_alternative<GeneratedLaunch>(what) ? "generated"
                               : std::holds_alternative<ZeroLaunch>(what)      ? "memset"
                                                                               : dnn_engine(i),
                     .seconds = events[i + 1]->seconds_since(*events[i])});
  }
  return timed;
}

}  // namespace stoker::backend::cuda
