// What a backend is: it makes a step's graph executable. cpu/, cuda/ and cuda_absent/ implement it.
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
  std::byte* copies = nullptr;    // of the parameters in 16 bits; null where nobody reads them
  std::vector<std::byte*> slots;  // by optimizer slot
  std::byte* state = nullptr;
  std::byte* metrics = nullptr;
  plan::Scalars* scalars = nullptr;

  // Returns the place of `home`; null for inputs, which every batch brings, and for a space that is
  // not there.
  std::byte* at(const graph::Home& home) const;
};

// run_checked() calls it for every output of a node, with host-readable memory of that value.
using Inspect =
    std::function<void(const graph::Node& node, const graph::ValueInfo& value, const void* data)>;

class Executable {
 public:
  virtual ~Executable() = default;

  virtual const plan::Program& program() const = 0;
  // Callers bind before the first run and whenever a space has moved, but not while a run is under
  // way.
  virtual void bind(const Memory& memory) = 0;
  // Enqueues one step on the batch at the ring's cursor. Allocates nothing, throws nothing but
  // DeviceError; what goes wrong is recorded in the scalars.
  virtual void run(device::Stream& stream, device::RingState* ring) = 0;
  // The same step at once, node by node, showing every output as soon as it is written. What
  // `inspect` throws ends the step.
  virtual void run_checked(device::Stream& stream, device::RingState* ring,
                           const Inspect& inspect) = 0;
  // Returns the place in device memory, after a step, of a value that compile() was told to keep.
  virtual const std::byte* address(graph::ValueId value) const = 0;
  // Primitives of libraries that one run executes.
  virtual int primitives() const = 0;
};

struct CompileOptions {
  // false: the nodes run as they were appended, without the passes. Tests compare the two.
  bool optimize = true;
  // Products of float32 on tensor cores, which round operands to TF32; only CUDA has them.
  bool tf32 = true;
};

class Backend {
 public:
  virtual ~Backend() = default;
  // Optimizes and compiles. `keep`: values that are read after the step.
  virtual std::unique_ptr<Executable> compile(std::unique_ptr<graph::Graph> graph,
                                              std::vector<graph::ValueId> keep,
                                              CompileOptions options = {}) = 0;
};

// The CPU backend with `threads` threads; 0: one for each core that the process may use.
std::unique_ptr<Backend> make_cpu_backend(int threads = 0);
// Makes the backend of a device that device::make_cuda_device() made. Throws DeviceError in builds
// without CUDA.
std::unique_ptr<Backend> make_cuda_backend(std::shared_ptr<device::Device> device);
// The backend that computes on `device`; `threads` is for those that compute on the CPU.
std::unique_ptr<Backend> make_backend(const std::shared_ptr<device::Device>& device, int threads);

}  // namespace stoker::backend
