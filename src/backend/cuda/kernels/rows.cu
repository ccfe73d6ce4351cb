// Kernels along rows.
#include "backend/cuda/kernels/labels.cuh"
#include "backend/cuda/kernels/softmax.cuh"
