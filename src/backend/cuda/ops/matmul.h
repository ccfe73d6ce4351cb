// Parameters of the kernel of op matmul for what cuDNN refuses. It is simple rather than fast.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

// The kernel computes y[m, n] = epilogue(sum_k a b + bias), for each place of a batch, whose steps
// are counted in matrices.
struct matmul_params {
  const float* a = {};
  const float* b = {};
  const float* bias = {};  // [n], or null
  float* y = {};
  std::int32_t m = {}, n = {}, k = {};
  std::int32_t transpose_a = {}, transpose_b = {};
  std::int32_t relu = {};
  std::int32_t batch_rank = {};
  std::int64_t products = 1;
  std::int64_t batch[6] = {}, steps_a[6] = {}, steps_b[6] = {};
};

Grid grid_of(const matmul_params& params);
const Kernel& kernel_of(const matmul_params& params);

}  // namespace stoker::backend::cuda
