#include "backend/cuda/emulation/kernels.h"

#include "backend/cuda/emulation/cuda_emulation.h"
#include "backend/cuda/ops/advance.cuh"
#include "backend/cuda/ops/batch_norm.cuh"
#include "backend/cuda/ops/conv2d.cuh"
#include "backend/cuda/ops/embedding.cuh"
#include "backend/cuda/frame/gather_rows.cuh"
#include "backend/cuda/frame/ingest.cuh"
#include "backend/cuda/ops/one_hot.cuh"
#include "backend/cuda/ops/matmul.cuh"
#include "backend/cuda/ops/pool2d.cuh"
#include "backend/cuda/ops/slice.cuh"
#include "backend/cuda/ops/softmax.cuh"

namespace stoker::backend::cuda {
namespace {

// Those whose threads do not meet run as plain loops. The emulator says where this is wrong.
bool has_barriers(KernelId kernel) {
  switch (kernel) {
    case KernelId::advance:
    case KernelId::gather_rows:
    case KernelId::slice:
    case KernelId::slice_backward:
    case KernelId::concatenate:
    case KernelId::pool2d:
    case KernelId::pool2d_backward:
    case KernelId::batch_norm_apply:
    case KernelId::batch_norm_backward_apply:
    case KernelId::conv2d:
    case KernelId::conv2d_backward_data:
      return false;
    default:
      return true;
  }
}

template <class Params>
void run(void (*kernel)(Params), KernelId id, const Grid& grid, const void* params) {
  emulation::run(kernel, grid.blocks, grid.threads, grid.shared_bytes, has_barriers(id),
                 *static_cast<const Params*>(params));
}

}  // namespace

void run_emulated(KernelId kernel, const Grid& grid, const void* params) {
  switch (kernel) {
#define STOKER_CUDA_KERNEL(name) \
  case KernelId::name:           \
    return run(&name##_kernel, kernel, grid, params);
#include "backend/cuda/kernels/kernels.def"
#undef STOKER_CUDA_KERNEL
    case KernelId::count:
      break;
  }
  throw std::invalid_argument("no kernel " + std::to_string(static_cast<int>(kernel)));
}

void reseed_emulation(std::uint64_t seed) { emulation::reseed(seed); }

}  // namespace stoker::backend::cuda
