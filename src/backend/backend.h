// The interface of a backend, which makes a step's graph executable. cpu/, cuda/ and cuda_absent/
// implement it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "device/device.h"
#include "device/ring_state.h"
#include "graph/graph.h"
#include "plan/program.h"
#include "plan/scalars.h"

namespace stoker::backend {

// The places of a model's spaces in device memory.
struct Memory {
  std::byte* arena = nullptr;
  std::byte* parameters = nullptr;
  std::byte* gradients = nullptr;
  std::byte* copies = nullptr;    // 16-bit copies of the parameters; null where nobody reads them
  std::vector<std::byte*> slots;  // by optimizer slot
  std::byte* state = nullptr;
  std::byte* metrics = nullptr;
  plan::Scalars* scalars = nullptr;

  // Returns the place of `home`; null for inputs, which every batch brings, and for a space that is
  // not there.
  std::byte* at(const graph::Home& home) const;
};

// run_checked() calls this function for every output of a node, with host-readable memory of that
// value.
using Inspect =
    std::function<void(const graph::Node& node, const graph::ValueInfo& value, const void* data)>;

class Executable {
 public:
  virtual ~Executable() = default;

  virtual const plan::Program& program() const = 0;
  // Tells the executable where the spaces are. Callers bind before the first run and whenever a
  // space has moved, but not while a run is under way.
  virtual void bind(const Memory& memory) = 0;
  // Enqueues one step on the batch at the ring's cursor. It allocates nothing and throws nothing
  // but DeviceError; errors of the step itself are recorded in the scalars.
  virtual void run(device::Stream& stream, device::RingState* ring) = 0;
  // Runs the same step before it returns, node by node, and calls `inspect` for every output as
  // soon as it is written. An exception of `inspect` ends the step.
  virtual void run_checked(device::Stream& stream, device::RingState* ring,
                           const Inspect& inspect) = 0;
  // Returns the place in device memory, after a step, of a value that compile() was told to keep.
  virtual const std::byte* address(graph::ValueId value) const = 0;
  // Returns the number of library primitives that one run executes.
  virtual int primitives() const = 0;
};

struct CompileOptions {
  // If false, the nodes run as they were appended, without the passes. Tests compare the two.
  bool optimize = true;
  // If true, products of float32 may use tensor cores, which round operands to TF32; only CUDA has
  // them.
  bool tf32 = true;
};

class Backend {
 public:
  virtual ~Backend() = default;
  // Says on what the bits of results may depend: instructions, libraries, the number of threads.
  virtual std::string arithmetic() const = 0;
  // Optimizes and compiles the graph. `keep` lists the values that are read after the step.
  virtual std::unique_ptr<Executable> compile(std::unique_ptr<graph::Graph> graph,
                                              std::vector<graph::ValueId> keep,
                                              CompileOptions options = {}) = 0;
};

// Makes the CPU backend with `threads` threads; 0 means one for each core that the process may use.
std::unique_ptr<Backend> make_cpu_backend(int threads = 0);
// Makes the backend of a device that came from device::make_cuda_device(). Throws DeviceError in
// builds without CUDA.
std::unique_ptr<Backend> make_cuda_backend(std::shared_ptr<device::Device> device);
// Makes the backend that computes on `device`; `threads` is for those that compute on the CPU.
std::unique_ptr<Backend> make_backend(const std::shared_ptr<device::Device>& device, int threads);

}  // namespace stoker::backend
