// All kernels of kernels.def on the emulator.
#pragma once

#include "backend/cuda/launch_plan.h"

namespace stoker::backend::cuda {

// As cudaLaunchKernelExC: `params` is the kernel's struct of parameters.
void run_emulated(KernelId kernel, const Grid& grid, const void* params);

// Other orders of blocks and threads, the same ones for the same seed.
void reseed_emulation(std::uint64_t seed);

}  // namespace stoker::backend::cuda
