// Helpers that all kernels share. nvcc compiles kernels for GPUs; g++ compiles the same source for
// the emulator of the tests.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

// Under g++ a header of the tests, included before this one, defines CUDA's keywords and functions
// for the emulator.
#include "backend/cuda/kernels/blocks.cuh"
#include "backend/cuda/kernels/kernel.h"
#include "backend/cuda/kernels/numbers.cuh"
#include "backend/cuda/kernels/tiling.h"
#include "stoker/detail/host_device.h"

#if defined(__CUDACC__)
#define STOKER_UNROLL_4 _Pragma("unroll 4")
#define STOKER_NO_UNROLL _Pragma("unroll 1")
#else
#define STOKER_UNROLL_4
#define STOKER_NO_UNROLL
#endif

// Begins the definition of kernel x, which takes x_params p. Two blocks must fit on a
// multiprocessor, which limits a thread to 128 registers. The emulator has a definition of its own.
#if defined(__CUDACC__)
#define STOKER_KERNEL(x) \
  __global__ void __launch_bounds__(kBlockThreads, 2) x##_kernel(const x##_params p)
#endif

namespace stoker::backend::cuda {

// ---- Packs: 128 bits at once --------------------------------------------------------------------
template <int N>
using Floats = Vector<float, N>;

template <int N>
__device__ __forceinline__ Floats<N> all(float value) {
  Floats<N> pack;
  STOKER_UNROLL for (int i = 0; i < N; ++i) pack.at[i] = value;
  return pack;
}

// ---- The grid -----------------------------------------------------------------------------------
__device__ __forceinline__ std::int64_t thread_of_grid() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ std::int64_t threads_of_grid() {
  return static_cast<std::int64_t>(gridDim.x) * blockDim.x;
}

// Calls f(i) for all i below `count`, shared out among the threads of the grid. i has 32 bits where
// that is enough, since a division of 64 bits takes some 100 instructions. It is unsigned, since it
// may pass the end by as much as there are threads.
template <class F>
__device__ __forceinline__ void each_index(std::int64_t count, F f) {
  if (count <= INT32_MAX) {
    const auto end = static_cast<std::uint32_t>(count);
    const auto step = static_cast<std::uint32_t>(threads_of_grid());
    for (auto i = static_cast<std::uint32_t>(thread_of_grid()); i < end; i += step) f(i);
  } else {
    const auto end = static_cast<std::uint64_t>(count);
    const auto step = static_cast<std::uint64_t>(threads_of_grid());
    for (auto i = static_cast<std::uint64_t>(thread_of_grid()); i < end; i += step) f(i);
  }
}

// ---- Teams: the threads that share a row --------------------------------------------------------
struct Sum {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
struct Largest {
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
  __device__ unsigned long long operator()(unsigned long long a, unsigned long long b) const {
    return a > b ? a : b;
  }
};

// A team of threads within a warp. The order of a reduction is fixed, and all threads get the same
// bits.
class WarpTeam {
 public:
  // `size` is a power of two.
  __device__ explicit WarpTeam(int size) : size_(size) {
    const unsigned lane = threadIdx.x % 32;
    rank_ = static_cast<int>(lane) & (size - 1);
    mask_ = (0xffffffffU >> (32 - size)) << (lane - static_cast<unsigned>(rank_));
  }
  __device__ int size() const { return size_; }
  __device__ int rank() const { return rank_; }

  template <class T, class Op>
  __device__ T reduce(T value, Op op) const {
    for (int bits = size_ / 2; bits > 0; bits /= 2) {
      value = op(value, __shfl_xor_sync(mask_, value, bits));
    }
    return value;
  }

 private:
  int size_, rank_;
  unsigned mask_;
};

// Shared memory of 8 bytes for each warp.
using TeamScratch = unsigned long long[kBlockThreads / 32];

class BlockTeam {
 public:
  __device__ explicit BlockTeam(TeamScratch& scratch) : scratch_(scratch) {}
  __device__ int size() const { return kBlockThreads; }
  __device__ int rank() const { return static_cast<int>(threadIdx.x); }

  template <class T, class Op>
  __device__ T reduce(T value, Op op) const {
    T* of_warps = reinterpret_cast<T*>(scratch_);
    value = WarpTeam(32).reduce(value, op);
    if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = value;
    __syncthreads();
    value = of_warps[0];
    for (int i = 1; i < kBlockThreads / 32; ++i) value = op(value, of_warps[i]);
    __syncthreads();
    return value;
  }

 private:
  TeamScratch& scratch_;
};

// Calls f(team, row) for all rows; a team comes to the end of a row before it begins the next one.
template <class F>
__device__ __forceinline__ void each_row(std::int64_t rows, int columns, TeamScratch& scratch,
                                         F f) {
  const int size = threads_per_row(columns);
  if (size == kBlockThreads) {
    const BlockTeam team(scratch);
    for (std::int64_t row = blockIdx.x; row < rows; row += gridDim.x) f(team, row);
  } else {
    const WarpTeam team(size);
    const std::int64_t step = threads_of_grid() / size;
    for (std::int64_t row = thread_of_grid() / size; row < rows; row += step) f(team, row);
  }
}

// Calls f(column) for the columns where this thread's packs begin.
template <int N, class Team, class F>
__device__ __forceinline__ void each_pack(const Team& team, int columns, F f) {
  for (int c = team.rank() * N; c < columns; c += team.size() * N) f(c);
}

}  // namespace stoker::backend::cuda
