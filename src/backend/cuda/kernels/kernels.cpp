#include "backend/cuda/kernels/kernels.h"

#include "backend/cuda/kernels/params.h"

namespace stoker::backend::cuda {

// On the host a __global__ function is a function that launches it, and its address is the
// kernel's name.
#define STOKER_CUDA_KERNEL(name) void name##_kernel(name##_params params);
#include "backend/cuda/kernels/kernels.def"
#undef STOKER_CUDA_KERNEL

const void* function_of(KernelId kernel) {
  switch (kernel) {
#define STOKER_CUDA_KERNEL(name) \
  case KernelId::name:           \
    return reinterpret_cast<const void*>(&name##_kernel);
#include "backend/cuda/kernels/kernels.def"
#undef STOKER_CUDA_KERNEL
    case KernelId::count:
      break;
  }
  return nullptr;
}

}  // namespace stoker::backend::cuda
