// A step in which only the pointers are missing: the program with its layout in memory, and the
// launches that compute it. CUDA and the tests' emulation run the same planned step.
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
  std::int64_t input_offset = 0;  // the place of the step's copy of the batch in the arena
};

// Runs the passes, lowers the graph and lays out memory. `keep` lists the values that are read
// after the step.
PlannedStep plan_step(std::unique_ptr<graph::Graph> graph, const std::vector<graph::ValueId>& keep,
                      const CompileOptions& options, DnnCompiler& dnn);

// A launch's arguments with their pointers filled in.
struct BoundLaunch {
  std::vector<std::byte> arguments;  // for a kernel
  DnnPointers dnn;
  std::byte* zero = nullptr;
};

// The time of a launch on the device, for measurements.
struct TimedLaunch {
  std::string label;
  std::string engine;  // who computes: "kernel", "generated", "memset", or cuDNN's engine
  double seconds = 0.0;
};

// The part of an executable that does not depend on where launches run. A derived class says how
// one launch is enqueued, and implements run() itself.
class StepExecutable : public Executable {
 public:
  const plan::Program& program() const override { return step_.program; }
  void bind(const Memory& memory) override;
  void run_checked(device::Stream& stream, device::RingState* ring,
                   const Inspect& inspect) override;
  const std::byte* address(graph::ValueId value) const override;
  int primitives() const override { return static_cast<int>(step_.plan.launches.size()); }

  const LaunchPlan& launches() const { return step_.plan; }
  // Runs a step launch by launch, with a timed event between them, and blocks until the step has
  // run. `occupy` enqueues work that keeps the stream busy until all launches are enqueued:
  // otherwise short launches would seem to take as long as the host needs to enqueue the next one.
  std::vector<TimedLaunch> run_timed(device::Device& device, device::Stream& stream,
                                     device::RingState* ring, const std::function<void()>& occupy);

 protected:
  // `counters` are plan.counter_bytes of zeros on the device, which the derived class owns.
  StepExecutable(PlannedStep step, std::byte* counters);

  // Enqueues launch number `index`.
  virtual void enqueue(device::Stream& stream, std::size_t index) = 0;
  // Returns cuDNN's name of the engine of launch number `index`, which is a DnnLaunch.
  virtual std::string dnn_engine(std::size_t index) const = 0;
  // Returns whether memory or the ring have changed since the pointers were filled in.
  bool is_stale(device::RingState* ring) const { return !is_resolved_ || ring != ring_; }
  // Replaces the pointers if they are stale.
  void resolve(device::RingState* ring);
  // Returns how often the pointers were replaced. When that number changes, everything that was
  // made of the former pointers is stale.
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
