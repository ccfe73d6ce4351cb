#include "backend/cuda/emulation/kernels.h"

#include <functional>
#include <map>
#include <string>

#include "backend/cuda/emulation/cuda_emulation.h"

namespace stoker::emulation {
namespace {

using backend::cuda::Grid;
using Run = std::function<void(const Grid& grid, bool has_barriers, const void* params)>;

std::map<std::string, Run>& kernels() {
  static std::map<std::string, Run> kernels;
  return kernels;
}

struct Registration {
  template <class Params>
  Registration(const char* name, void (*kernel)(Params)) {
    kernels()[name] = [kernel](const Grid& grid, bool has_barriers, const void* params) {
      run(kernel, grid.blocks, grid.threads, grid.shared_bytes, has_barriers,
          *static_cast<const Params*>(params));
    };
  }
};

}  // namespace
}  // namespace stoker::emulation

// A kernel under a name of its own: x_kernel stays nvcc's, in a program that has both.
#define STOKER_KERNEL(x)                                                                 \
  static void emulated_##x(const x##_params p);                                          \
  static const ::stoker::emulation::Registration registration_of_##x(#x, &emulated_##x); \
  static void emulated_##x(const x##_params p)
// CMake writes it: every kernel of the backend.
#include "emulated_kernels.h"

namespace stoker::backend::cuda {

void run_emulated(const Kernel& kernel, const Grid& grid, const void* params) {
  emulation::kernels().at(kernel.name)(grid, kernel.threads == Threads::meet, params);
}

void reseed_emulation(std::uint64_t seed) { emulation::reseed(seed); }

}  // namespace stoker::backend::cuda
