// All our kernels on the emulator.
#pragma once

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

// As cudaLaunchKernelExC: `params` is the kernel's struct of parameters.
void run_emulated(const Kernel& kernel, const Grid& grid, const void* params);

// Other orders of blocks and threads, the same ones for the same seed.
void reseed_emulation(std::uint64_t seed);

}  // namespace stoker::backend::cuda
