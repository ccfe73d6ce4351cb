// A step that is planned but for the pointers: the program with its layout in memory, and the
// launches that compute it. What CUDA runs and what the tests' emulation runs is the same.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/cuda/plan/launch_plan.h"
#include "backend/cuda/plan/lower.h"
#include "backend/cuda/runtime/cudnn_plan.h"
#include "plan/program.h"

namespace stoker::backend::cuda {

struct PlannedStep {
  plan::Program program;
  LaunchPlan plan;
  std::int64_t input_offset = 0;  // in the arena: where the step's copy of the batch lies
};

// Runs the passes, lowers and lays out. `keep`: values that are read after the step.
PlannedStep plan_step(std::unique_ptr<graph::Graph> graph, const std::vector<graph::ValueId>& keep,
                      const CompileOptions& options, DnnCompiler& dnn);

// A launch's arguments with the pointers in.
struct BoundLaunch {
  std::vector<std::byte> arguments;  // of a kernel
  DnnPointers dnn;
  std::byte* zero = nullptr;
};

// What a launch took on the device, for measurements.
struct TimedLaunch {
  std::string label;
  std::string engine;  // who computes: "kernel", "generated", "memset", or cuDNN's engine
  double seconds = 0.0;
};

// What is alike wherever the launches run. A child says how one launch is enqueued, and calls run
// its own way.
class StepExecutable : public Executable {
 public:
  const plan::Program& program() const override { return step_.program; }
  void bind(const Memory& memory) override;
  void run_checked(device::Stream& stream, device::RingState* ring,
                   const Inspect& inspect) override;
  const std::byte* address(graph::ValueId value) const override;
  int primitives() const override { return static_cast<int>(step_.plan.launches.size()); }

  const LaunchPlan& launches() const { return step_.plan; }
  // A step launch by launch, with a timed event between them. `occupy` enqueues what keeps the
  // stream busy until all of them are: otherwise short launches would take as long as the host
  // needs to enqueue the next one. Blocks until the step has run.
  std::vector<TimedLaunch> run_timed(device::Device& device, device::Stream& stream,
                                     device::RingState* ring, const std::function<void()>& occupy);

 protected:
  // `counters`: plan.counter_bytes of zeros on the device; the child keeps them.
  StepExecutable(PlannedStep step, std::byte* counters);

  // Enqueues launch number `index`.
  virtual void enqueue(device::Stream& stream, std::size_t index) = 0;
  // cuDNN's name of the engine of launch number `index`, a DnnLaunch.
  virtual std::string dnn_engine(std::size_t index) const = 0;
  // Whether memory or the ring have changed since the pointers were put in.
  bool is_stale(device::RingState* ring) const { return !is_resolved_ || ring != ring_; }
  // Replaces the pointers where is_stale() says so.
  void resolve(device::RingState* ring);
  // Counts how often that was done: what was made of the pointers before is stale.
  std::uint64_t binding() const { return binding_; }
  const BoundLaunch& bound(std::size_t index) const { return bound_[index]; }

 private:
  std::byte* pointer(const Operand& operand) const;
  std::byte* value(graph::ValueId value) const;

  PlannedStep step_;
  std::byte* counters_;
  Memory memory_;
  device::RingState* ring_ = nullptr;
  bool is_resolved_ = false;
  std::uint64_t binding_ = 0;
  std::vector<BoundLaunch> bound_;
};

}  // namespace stoker::backend::cuda
