// Parameters of ops batch_norm and batch_norm_backward.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

// The kernels work on the rows of x [rows, channels]. Images are of type `element`, values of a
// channel are float32. Sums go through partials [parts, 2, channels]: each block writes the sums of
// its part of the rows, and the last block of a tile of channels adds them in order.
// batch_norm_parts() and batch_norm_counters() give the numbers of parts and of counters (one for
// each tile).
struct batch_norm_statistics_params {
  const void* x = {};
  float* mean = {};
  float* variance = {};  // biased
  float* partials = {};
  std::uint32_t* counters = {};
  std::int64_t rows = {};
  std::int32_t channels = {};
  std::int32_t parts = {};
  Element element = {};
};
struct batch_norm_apply_params {
  const void* x = {};
  const float* mean = {};
  const float* variance = {};
  const float* gamma = {};
  const float* beta = {};
  const void* residual = {};  // added to the result, or null
  void* y = {};
  std::int64_t rows = {};
  std::int32_t channels = {};
  std::int32_t relu = {};
  float epsilon = {};
  Element element = {};
};
struct batch_norm_backward_sums_params {
  const void* x = {};
  const void* dy = {};
  const void* dy_2 = {};  // added to dy, or null
  const void* mask = {};  // the gradient is 0 where this is 0; or null
  void* sum = {};         // the gradient made of the three; null without dy_2 and mask
  const float* mean = {};
  const float* variance = {};
  float* dgamma = {};
  float* dbeta = {};
  float* partials = {};
  std::uint32_t* counters = {};
  std::int64_t rows = {};
  std::int32_t channels = {};
  std::int32_t parts = {};
  float epsilon = {};
  Element element = {};
};
struct batch_norm_backward_apply_params {
  const void* x = {};
  const void* dy = {};
  const float* mean = {};
  const float* variance = {};
  const float* gamma = {};
  const float* dgamma = {};
  const float* dbeta = {};
  void* dx = {};
  std::int64_t rows = {};
  std::int32_t channels = {};
  float epsilon = {};
  Element element = {};
};

Grid grid_of(const batch_norm_statistics_params& params);
const Kernel& kernel_of(const batch_norm_statistics_params& params);
Grid grid_of(const batch_norm_apply_params& params);
const Kernel& kernel_of(const batch_norm_apply_params& params);
Grid grid_of(const batch_norm_backward_sums_params& params);
const Kernel& kernel_of(const batch_norm_backward_sums_params& params);
Grid grid_of(const batch_norm_backward_apply_params& params);
const Kernel& kernel_of(const batch_norm_backward_apply_params& params);

// These give the sizes that batch_norm_statistics and batch_norm_backward_sums need: parts of the
// rows, bytes of partial sums, and counters.
int batch_norm_parts(std::int64_t rows, std::int32_t channels);
std::size_t batch_norm_partials_bytes(std::int64_t rows, std::int32_t channels);
int batch_norm_counters(std::int32_t channels);

}  // namespace stoker::backend::cuda
