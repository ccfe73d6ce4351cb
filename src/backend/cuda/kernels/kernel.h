// A kernel of ours as the host sees it. Beside each stands a header with its parameters, x_params:
// a plain struct, passed by value, read by nvcc, by the host compiler where launches are made, and
// by the emulator of the tests. float32 unless said otherwise; images NHWC, convolution kernels
// HWIO; matrices row by row. Tensors begin at multiples of 16 bytes. Counters are zero when a
// kernel begins and when it has ended.
#pragma once

#include <cstddef>
#include <cstdint>

namespace stoker::device {
struct RingState;
}
namespace stoker::plan {
struct Scalars;
}

namespace stoker::backend::cuda {

// How a tensor's elements are stored; arithmetic is float32's.
enum class Element : std::int32_t { float32, bfloat16, float16 };

// How labels are given.
enum class Labels : std::int32_t { int32_classes, float_classes, float_rows };

struct Grid {
  unsigned blocks = 1;
  unsigned threads = 128;
  unsigned shared_bytes = 0;
};

// Whether the threads of a block wait for each other. The emulator runs those that do not as a
// loop, and says where that is wrong.
enum class Threads : std::uint8_t { alone, meet };
// Whether global memory is read 128 bits at a time where shapes allow it; tests/backend/cuda/
// ptxas_check.py holds a kernel to that.
enum class Loads : std::uint8_t { wide, single };

struct Kernel {
  const char* name;
  const void* (*function)();  // as the CUDA runtime knows it
  Threads threads;
  Loads loads;
};

}  // namespace stoker::backend::cuda

// Defines kernel_of(const x_params&), beside grid_of() in the file that launches the kernel:
// x_kernel of a .cuh, which on the host is a function that launches it.
#define STOKER_CUDA_KERNEL(x, threads, loads)                                                      \
  void x##_kernel(x##_params params);                                                              \
  const Kernel& kernel_of(const x##_params&) {                                                     \
    static constexpr Kernel kKernel{#x, [] { return reinterpret_cast<const void*>(&x##_kernel); }, \
                                    threads, loads};                                               \
    return kKernel;                                                                                \
  }
