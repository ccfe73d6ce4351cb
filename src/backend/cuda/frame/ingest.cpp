// The first launch of every step copies the batch from the ring's slot.

#include "backend/cuda/frame/ingest.h"

#include "backend/cuda/kernels/grids.h"

namespace stoker::backend::cuda {

STOKER_CUDA_KERNEL(ingest, Threads::meet, Loads::wide)
Grid grid_of(const ingest_params& p) { return threads_for(divide_up(p.end - p.begin, 4 * 16)); }

}  // namespace stoker::backend::cuda
