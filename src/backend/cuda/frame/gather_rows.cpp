// What the device's streams launch themselves.
#include <cuda_runtime_api.h>

#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/kernels/kernels.h"
#include "device/cuda/cuda_device.h"

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
  return cudaLaunchKernelExC(
      &config, backend::cuda::function_of(backend::cuda::KernelId::gather_rows), arguments);
}

}  // namespace stoker::device
