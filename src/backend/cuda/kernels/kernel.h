// A kernel of ours as the host sees it. Each kernel x has a header with its parameters, x_params: a
// plain struct that is passed by value. nvcc, the host compiler where launches are made, and the
// emulator of the tests all compile it. Tensors are float32 unless said otherwise; images are NHWC,
// convolution kernels HWIO, and matrices are stored row by row. Tensors begin at multiples of 16
// bytes. Counters are zero when a kernel begins and when it has ended.
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

// How a tensor's elements are stored; kernels compute in float32.
enum class Element : std::int32_t { float32, bfloat16, float16 };

// How labels are given: as class numbers, or as rows of floats with one value for each class.
enum class Labels : std::int32_t { int32_classes, float_classes, float_rows };

struct Grid {
  unsigned blocks = 1;
  unsigned threads = 128;
  unsigned shared_bytes = 0;
};

// Whether the threads of a block wait for each other. The emulator runs the threads of a kernel
// that says `alone` as a loop, and reports a kernel that waits all the same.
enum class Threads : std::uint8_t { alone, meet };
// Whether global memory is read 128 bits at a time where shapes allow it;
// tests/backend/cuda/ptxas_check.py checks that.
enum class Loads : std::uint8_t { wide, single };

struct Kernel {
  const char* name;
  const void* (*function)();  // the function as the CUDA runtime identifies it
  Threads threads;
  Loads loads;
};

}  // namespace stoker::backend::cuda

// Defines kernel_of(const x_params&); it stands beside grid_of() in the file that launches the
// kernel. The kernel itself is x_kernel of a .cuh, which on the host is a function that launches
// it.
#define STOKER_CUDA_KERNEL(x, threads, loads)                                                      \
  void x##_kernel(x##_params params);                                                              \
  const Kernel& kernel_of(const x##_params&) {                                                     \
    static constexpr Kernel kKernel{#x, [] { return reinterpret_cast<const void*>(&x##_kernel); }, \
                                    threads, loads};                                               \
    return kKernel;                                                                                \
  }
