// Kernels along rows.
#include "backend/cuda/ops/one_hot.cuh"
#include "backend/cuda/ops/softmax.cuh"
