#include "backend/cuda/kernels/batch_norm.cuh"
