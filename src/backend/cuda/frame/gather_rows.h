// Parameters of the kernel that gathers a batch from tensors that lie on the device. It belongs to
// no node: device::Stream::gather_rows() launches it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

// The kernel copies row rows[i] of `from` to row i of `to`.
struct gather_rows_params {
  const std::byte* from = {};
  std::byte* to = {};
  const std::int64_t* rows = {};
  std::int64_t count = {};
  std::int64_t row_bytes = {};
};

Grid grid_of(const gather_rows_params& params);
const Kernel& kernel_of(const gather_rows_params& params);

}  // namespace stoker::backend::cuda
