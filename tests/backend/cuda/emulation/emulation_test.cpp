// What the emulator of CUDA finds: kernels that are wrong on purpose, and what CUDA promises.
#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "backend/cuda/emulation/cuda_emulation.h"

namespace stoker {
namespace {

using emulation::reseed;
using emulation::run;

struct Buffers {
  const float* x;
  float* y;
};

// Sums a block's 256 elements through shared memory.
template <bool kWaits>
void add_up(float* shared, const Buffers& p) {
  shared[threadIdx.x] = p.x[blockIdx.x * blockDim.x + threadIdx.x];
  if (kWaits) __syncthreads();
  float sum = 0.0f;
  for (unsigned i = 0; threadIdx.x == 0 && i < blockDim.x; ++i) sum += shared[i];
  if (threadIdx.x == 0) p.y[blockIdx.x] = sum;
}
__global__ void sum_kernel(const Buffers p) {
  __shared__ float shared[256];
  add_up<true>(shared, p);
}
__global__ void sum_without_barrier_kernel(const Buffers p) {
  __shared__ float shared[256];
  add_up<false>(shared, p);
  __syncthreads();
}

TEST(CudaEmulation, adds_up_through_shared_memory) {
  const std::vector<float> x(4 * 256, 1.0f);
  std::vector<float> y(4);
  run(sum_kernel, 4, 256, 0, true, {x.data(), y.data()});
  EXPECT_EQ(y, std::vector<float>(4, 256.0f));
}

TEST(CudaEmulation, a_missing_barrier_makes_wrong_sums) {
  const std::vector<float> x(4 * 256, 1.0f);
  for (const std::uint64_t seed : {1, 2, 3, 4, 5}) {
    std::vector<float> y(4);
    reseed(seed);
    run(sum_without_barrier_kernel, 4, 256, 0, true, {x.data(), y.data()});
    for (const float sum : y) EXPECT_NE(sum, 256.0f);
  }
}

// Sums the warps' numbers twice; a warp may write its second one while others still read.
template <bool kWaits>
void add_twice(float* shared, const Buffers& p) {
  for (unsigned turn = 0; turn < 2; ++turn) {
    if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = static_cast<float>(turn);
    __syncthreads();
    float sum = 0.0f;
    for (unsigned i = 0; i < blockDim.x / 32; ++i) sum += shared[i];
    p.y[(blockIdx.x * 2 + turn) * blockDim.x + threadIdx.x] = sum;
    if (kWaits) __syncthreads();
  }
}
__global__ void twice_kernel(const Buffers p) {
  __shared__ float shared[8];
  add_twice<true>(shared, p);
}
__global__ void twice_without_barrier_kernel(const Buffers p) {
  __shared__ float shared[8];
  add_twice<false>(shared, p);
}

int wrong_sums_of(void (*kernel)(Buffers)) {
  constexpr unsigned kBlocks = 20;
  std::vector<float> y(kBlocks * 2 * 256);
  run(kernel, kBlocks, 256, 0, true, {nullptr, y.data()});
  int wrong = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    wrong += y[i] != (i / 256 % 2 == 0 ? 0.0f : 8.0f) ? 1 : 0;
  }
  return wrong;
}

TEST(CudaEmulation, a_missing_barrier_before_the_next_write_makes_wrong_sums) {
  EXPECT_EQ(wrong_sums_of(twice_kernel), 0);
  EXPECT_GT(wrong_sums_of(twice_without_barrier_kernel), 0);
}

std::string message_of(void (*kernel)(Buffers), bool has_barriers = true) {
  const std::vector<float> x(64);
  std::vector<float> y(64);
  try {
    run(kernel, 1, 64, 0, has_barriers, {x.data(), y.data()});
  } catch (const std::logic_error& error) {
    return error.what();
  }
  return "nothing";
}

__global__ void divergent_kernel(const Buffers) {
  if (threadIdx.x != 5) __syncthreads();
}
__global__ void two_barriers_kernel(const Buffers) {
  if (threadIdx.x == 5) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
__global__ void missing_lane_kernel(const Buffers p) {
  if (threadIdx.x != 5) p.y[threadIdx.x] = __shfl_xor_sync(0xffffffffU, 1.0f, 1);
}
__global__ void foreign_mask_kernel(const Buffers) { __syncwarp(0x0000ffffU); }

TEST(CudaEmulation, reports_barriers_that_not_all_threads_reach) {
  EXPECT_NE(message_of(divergent_kernel).find("deadlock in block 0: 1 of 64"), std::string::npos);
  EXPECT_NE(message_of(two_barriers_kernel).find("thread 5 waits for its block at"),
            std::string::npos);
  EXPECT_NE(message_of(missing_lane_kernel).find("waits for its warp at"), std::string::npos);
  EXPECT_NE(message_of(foreign_mask_kernel).find("waits for its warp at"), std::string::npos);
  EXPECT_NE(message_of(sum_kernel, false).find("without barriers"), std::string::npos);
  // The machine is as new.
  const std::vector<float> x(256, 1.0f);
  std::vector<float> y(1);
  run(sum_kernel, 1, 256, 0, true, {x.data(), y.data()});
  EXPECT_EQ(y[0], 256.0f);
}

__global__ void garbage_kernel(const Buffers p) {
  __shared__ float shared[8];
  STOKER_DYNAMIC_SHARED(float, dynamic);
  p.y[2 * blockIdx.x] = shared[7];
  p.y[2 * blockIdx.x + 1] = dynamic[3];
  shared[7] = dynamic[3] = 0.0f;
}

TEST(CudaEmulation, shared_memory_is_garbage_when_a_block_begins) {
  std::vector<float> y(40);
  run(garbage_kernel, 20, 1, 16, false, {nullptr, y.data()});
  int not_numbers = 0;
  for (const float value : y) {
    EXPECT_TRUE(value != value || value > 1e38f) << value;
    not_numbers += value != value ? 1 : 0;
  }
  EXPECT_GT(not_numbers, 0);
  EXPECT_LT(not_numbers, 40);
}

__global__ void warp_kernel(const Buffers p) {
  const auto lane = static_cast<int>(threadIdx.x % 32);
  const auto own = static_cast<float>(threadIdx.x);
  // Half a warp goes its own way first.
  if (lane < 16) __syncwarp(0x0000ffffU);
  float* y = p.y + 8 * threadIdx.x;
  y[0] = __shfl_xor_sync(0xffffffffU, own, 1);
  y[1] = __shfl_down_sync(0xffffffffU, own, 2);
  y[2] = __shfl_up_sync(0xffffffffU, own, 2);
  y[3] = __shfl_sync(0xffffffffU, own, 3);
  y[4] = __shfl_sync(0xffffffffU, own, 3, 8);
  y[5] = __shfl_down_sync(0xffffffffU, own, 2, 4);
  y[6] = static_cast<float>(__ballot_sync(0xffffffffU, lane == 0 || lane == 4) & 0xffU);
  y[7] = static_cast<float>(__syncthreads_count(lane < 3));
}

TEST(CudaEmulation, lanes_exchange_values) {
  std::vector<float> y(64 * 8);
  run(warp_kernel, 1, 64, 0, true, {nullptr, y.data()});
  for (int i = 0; i < 64; ++i) {
    const int lane = i % 32, warp = i - lane;
    const float* of = &y[static_cast<std::size_t>(8 * i)];
    EXPECT_EQ(of[0], static_cast<float>(i ^ 1));
    EXPECT_EQ(of[1], static_cast<float>(lane < 30 ? i + 2 : i));
    EXPECT_EQ(of[2], static_cast<float>(lane >= 2 ? i - 2 : i));
    EXPECT_EQ(of[3], static_cast<float>(warp + 3));
    EXPECT_EQ(of[4], static_cast<float>(warp + lane / 8 * 8 + 3));
    EXPECT_EQ(of[5], static_cast<float>(lane % 4 < 2 ? i + 2 : i));
    EXPECT_EQ(of[6], 17.0f);
    EXPECT_EQ(of[7], 6.0f);
  }
}

__global__ void order_kernel(const Buffers p) {
  const float turn = atomicAdd(p.y, 1.0f);
  p.y[1 + static_cast<unsigned>(turn)] = static_cast<float>(blockIdx.x * blockDim.x + threadIdx.x);
}

TEST(CudaEmulation, blocks_and_threads_come_in_an_order_of_the_seed) {
  std::set<std::vector<float>> orders;
  for (const std::uint64_t seed : {1, 2, 3, 1}) {
    for (const bool has_barriers : {false, true}) {
      std::vector<float> y(1 + 12);
      reseed(seed);
      run(order_kernel, 3, 4, 0, has_barriers, {nullptr, y.data()});
      EXPECT_EQ(y[0], 12.0f);
      orders.insert(y);
    }
  }
  EXPECT_EQ(orders.size(), 6U);
}

}  // namespace
}  // namespace stoker
