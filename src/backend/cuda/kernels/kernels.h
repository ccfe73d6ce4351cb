// Our kernels as the CUDA runtime knows them.
#pragma once

#include "backend/cuda/launch_plan.h"

namespace stoker::backend::cuda {

// For cudaLaunchKernelExC, with one argument: the kernel's struct of parameters.
const void* function_of(KernelId kernel);

}  // namespace stoker::backend::cuda
