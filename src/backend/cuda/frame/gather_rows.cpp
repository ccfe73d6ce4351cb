// The kernel that a device's stream launches itself, outside of any step.
#include "backend/cuda/frame/gather_rows.h"

#include <cuda_runtime_api.h>

#include "backend/cuda/kernels/grids.h"
#include "device/cuda/cuda_device.h"

namespace stoker::backend::cuda {

STOKER_CUDA_KERNEL(gather_rows, Threads::alone, Loads::wide)
Grid grid_of(const gather_rows_params& p) {
  return threads_for(p.count * p.row_bytes / access_bytes(p.row_bytes));
}

}  // namespace stoker::backend::cuda

namespace stoker::device {

cudaError_t enqueue_gather(const RowGather& gather, const std::int64_t* rows, std::size_t count,
                           cudaStream_t stream) {
  backend::cuda::gather_rows_params params{
      .from = gather.from,
      .to = gather.to,
      .rows = rows,
      .count = static_cast<std::int64_t>(count),
      .row_bytes = static_cast<std::int64_t>(gather.row_bytes)};
  const backend::cuda::Grid grid = grid_of(params);
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(grid.blocks);
  config.blockDim = dim3(grid.threads);
  config.stream = stream;
  void* arguments[] = {&params};
  return cudaLaunchKernelExC(&config, kernel_of(params).function(), arguments);
}

}  // namespace stoker::device
